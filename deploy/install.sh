#!/usr/bin/env bash
# Install the service on Debian or Ubuntu: user, environment, systemd units, Nginx with HTTPS.
# May be run again at any time: what is there already stays, settings and certificates above all.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    cat <<'TEXT'
usage: deploy/install.sh --server-name NAME [OPTION ...] [-- OPTION_OF_RENDER.PY ...]

  --server-name NAME  name of the site, e.g. tts.example.com
  --gpus LIST         instances, one for each GPU, e.g. 0,1 (default: the GPUs found, else 0)
  --cert FILE --key FILE
                      certificate and key (default: /etc/indextts/tls/; a self-signed one is made
                      where nothing is there)
  --no-nginx          leave Nginx alone
  --no-packages       install no Debian packages
  --extras LIST       extras of the Python package beyond jwt and redis, which are always there
  --wheels DIR        take Python packages from a folder instead of the network
  --venv DIR          use this Python environment instead of making one
  --release NAME      name of the release (default: version and commit)
  --root DIR          install into a folder, e.g. of an image; nothing is started
  --dry-run           say what would be done

What follows -- goes to nginx/render.py and wins: -- --rate 10r/s --instances 10.0.0.2:8000 ...
TEXT
}

SERVER_NAME="" GPUS="" CERT="" KEY="" NGINX=yes PACKAGES=yes EXTRAS="" WHEELS="" VENV="" RELEASE=""
while [ $# -gt 0 ]; do
    case $1 in
        --server-name) need_value "$@"; SERVER_NAME=$2; shift ;;
        --gpus) need_value "$@"; GPUS=$2; shift ;;
        --cert) need_value "$@"; CERT=$2; shift ;;
        --key) need_value "$@"; KEY=$2; shift ;;
        --no-nginx) NGINX=no ;;
        --no-packages) PACKAGES=no ;;
        --extras) need_value "$@"; EXTRAS=$2; shift ;;
        --wheels) need_value "$@"; WHEELS=$(absolute "$2"); shift ;;
        --venv) need_value "$@"; VENV=$(absolute "$2"); shift ;;
        --release) need_value "$@"; RELEASE=$2; shift ;;
        --root) need_value "$@"; ROOT=$(absolute "$2"); shift ;;
        --dry-run) DRY_RUN=yes ;;
        -h | --help) usage; exit 0 ;;
        --) shift; break ;;
        *) usage >&2; die "unknown option $1" ;;
    esac
    shift
done
RENDER_OPTIONS=("$@")

check_options() {
    if [ "$NGINX" = yes ] && [ -z "$SERVER_NAME" ]; then
        die "--server-name is needed (or --no-nginx)"
    fi
    if [ -n "$CERT$KEY" ] && { [ -z "$CERT" ] || [ -z "$KEY" ]; }; then
        die "--cert and --key belong together"
    fi
    case $RELEASE in */* | .*) die "--release: a plain name is needed" ;; esac
    GPUS=${GPUS:-$(find_gpus)}
    # One digit: the instance's number ends the port of its metrics, 9110 to 9119.
    if ! printf '%s' "$GPUS" | grep -Eqx '[0-9](,[0-9])*'; then
        die "--gpus: expected numbers from 0 to 9, e.g. 0,1"
    fi
}

find_gpus() {
    local device found=""
    for device in /dev/nvidia[0-9]; do
        [ -e "$device" ] || continue
        found="$found${found:+,}${device#/dev/nvidia}"
    done
    printf '%s' "${found:-0}"
}

install_packages() {
    [ "$PACKAGES" = yes ] && live || return 0
    local packages=(python3-venv curl)
    [ "$NGINX" = no ] || packages+=(nginx openssl)
    run apt-get update -qq
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${packages[@]}"
}

install_user() {
    run install -d -m 755 "$ROOT/etc" "$ROOT/usr/lib/sysusers.d"
    run install -m 644 "$SOURCE/deploy/systemd/sysusers.conf" "$ROOT/usr/lib/sysusers.d/indextts.conf"
    run systemd-sysusers ${ROOT:+--root="$ROOT"} indextts.conf
}

install_folders() {
    run install -d -m 755 "$ROOT$APP" "$ROOT$APP/releases" "$ROOT$MODELS"
    run install -d -m 750 "$ROOT$ETC"
    run chgrp "$(group_number)" "$ROOT$ETC"
    run chown -R "$(user_number):$(group_number)" "$ROOT${MODELS%/*}"
    if [ -e "$ROOT$ETC/indextts.env" ]; then
        say "$ETC/indextts.env is kept."
    else
        run install -m 640 -g "$(group_number)" "$SOURCE/deploy/systemd/indextts.env" \
            "$ROOT$ETC/indextts.env"
    fi
}

# Numbers, since the user of a folder below --root is none of this machine.
user_number() { number_of "$ROOT/etc/passwd"; }
group_number() { number_of "$ROOT/etc/group"; }
number_of() {
    local found=""
    if [ "$DRY_RUN" = no ]; then
        found=$(sed -n 's/^indextts:[^:]*:\([0-9]*\):.*/\1/p' "$1")
        [ -n "$found" ] || die "$1 has no indextts"
    fi
    printf '%s' "${found:-indextts}"
}

enable_units() {
    local number
    run systemctl ${ROOT:+--root="$ROOT"} enable -q indextts.target
    for number in ${GPUS//,/ }; do
        run systemctl ${ROOT:+--root="$ROOT"} enable -q "indextts@$number.service"
    done
}

install_certificate() {
    [ -z "$CERT" ] || return 0
    CERT=$ETC/tls/fullchain.pem KEY=$ETC/tls/privkey.pem
    if [ -e "$ROOT$CERT" ]; then
        say "The certificate $CERT is kept."
        return
    fi
    say "A self-signed certificate is made, until you have a real one."
    run install -d -m 700 "$ROOT$ETC/tls"
    run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
        -subj "/CN=$SERVER_NAME" -addext "subjectAltName=DNS:$SERVER_NAME" \
        -keyout "$ROOT$KEY" -out "$ROOT$CERT"
    run chmod 600 "$ROOT$KEY"
}

install_site() {
    local number instances=() before="$ROOT$SITE.before"
    for number in ${GPUS//,/ }; do
        instances+=("unix:/run/indextts-$number/api.sock")
    done
    run install -d -m 755 "$ROOT${SITE%/*}" "$ROOT${SITE_LINK%/*}" "$ROOT/var/www/letsencrypt"
    if [ -e "$ROOT$SITE" ] && ! grep -q 'Written by nginx/render.py' "$ROOT$SITE"; then
        die "$SITE was not written by nginx/render.py; move it away"
    fi
    [ ! -e "$ROOT$SITE" ] || run cp -p "$ROOT$SITE" "$before"
    run python3 "$SOURCE/nginx/render.py" --site --output "$ROOT$SITE" --http2 "$(http2_form)" \
        --instances "${instances[@]}" --server-name "$SERVER_NAME" --cert "$CERT" --key "$KEY" \
        "${RENDER_OPTIONS[@]}"
    run ln -sfn ../sites-available/indextts "$ROOT$SITE_LINK"
    if ! live; then
        run rm -f "$before"
        return
    fi
    if ! run nginx -t -q; then
        if [ -e "$before" ]; then mv "$before" "$SITE"; else rm -f "$SITE" "$SITE_LINK"; fi
        die "Nginx does not accept the new configuration; the old one is back"
    fi
    # Its new workers also learn that they are in the group of the sockets.
    run systemctl reload-or-restart nginx
    run rm -f "$before"
}

# 1.25.1 came with a directive of its own for HTTP/2 and warns about the old form.
http2_form() {
    local version
    version=$(nginx -v 2>&1 | sed -n 's#.*nginx/\([0-9.]*\).*#\1#p')
    if [ -n "$version" ] && [ "$(printf '%s\n1.25.1\n' "$version" | sort -V | head -n1)" = 1.25.1 ]; then
        printf directive
    else
        printf listen
    fi
}

start_instances() {
    if ! live; then
        return
    elif [ ! -e "$MODELS/IndexTTS/config.yaml" ]; then
        say "The weights are not there yet.  Next:"
        say "  runuser -u indextts -- $APP/current/.venv/bin/indextts download --dir $MODELS/IndexTTS"
        say "  systemctl start indextts.target"
    elif [ -n "$BEFORE" ] && [ "$BEFORE" != "$RELEASE" ] && [ "$DRY_RUN" = no ]; then
        "$SOURCE/deploy/rolling-restart.sh"
    else
        run systemctl start indextts.target
    fi
}

check_options
require_root
install_packages
if [ "$DRY_RUN" = no ]; then
    need systemd-sysusers systemd
    [ -n "$VENV" ] || python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || die "Python 3.11 or later is needed"
    [ "$NGINX" = no ] || need openssl openssl
fi
RELEASE=${RELEASE:-$(release_name)}
BEFORE=$(current_release)
install_user
install_folders
install_release "$RELEASE" "$VENV" "$WHEELS" "$EXTRAS"
switch_release "$RELEASE"
install_units "$ROOT$APP/releases/$RELEASE"
enable_units
if [ "$NGINX" = yes ]; then
    install_certificate
    install_site
fi
start_instances
say "Done: release $RELEASE, instances $GPUS."
