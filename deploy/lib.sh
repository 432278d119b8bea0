# Shared by the scripts beside it; sourced, not run.
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by the scripts that source this

umask 022
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ROOT=""
DRY_RUN=no

# Where things are; $ROOT goes before every path but those inside configuration files.
APP=/opt/indextts
ETC=/etc/indextts
MODELS=/var/lib/indextts/models
UNITS=/etc/systemd/system
SITE=/etc/nginx/sites-available/indextts
SITE_LINK=/etc/nginx/sites-enabled/indextts
KEEP_RELEASES=3

# What a release consists of.
PARTS=(app examples indextts nginx deploy docs server.py wsgi.py gunicorn.conf.py pyproject.toml
    constraints.txt requirements.lock README.md LICENSE NOTICE)

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Run a command that changes something, or only show it.
run() {
    if [ "$DRY_RUN" = yes ]; then
        printf '+ %s\n' "$*"
    else
        "$@"
    fi
}

need() { command -v "$1" >/dev/null || die "$1 is missing: apt-get install -y $2"; }

# Commands that talk to the running system make no sense for a folder.
live() { [ -z "$ROOT" ]; }

# Stop unless the first argument, an option, is followed by a value.
need_value() {
    case ${2-} in '' | --*) die "$1 needs a value" ;; esac
}

absolute() {
    case $1 in
        /*) printf '%s' "${1%/}" ;;
        *) printf '%s/%s' "$PWD" "${1%/}" ;;
    esac
}

require_root() {
    if [ "$DRY_RUN" = no ] && live && [ "$(id -u)" != 0 ]; then
        die "run this as root, or with --dry-run or --root DIR"
    fi
}

# Name of the release in $SOURCE: the version, and the commit where git knows it.
release_name() {
    local version commit
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$SOURCE/indextts/__init__.py")
    [ -n "$version" ] || die "$SOURCE/indextts/__init__.py names no version"
    commit=$(git -C "$SOURCE" describe --always --dirty --exclude '*' 2>/dev/null || true)
    printf '%s' "$version${commit:+-$commit}"
}

current_release() { basename "$(readlink "$ROOT$APP/current" 2>/dev/null)" 2>/dev/null || true; }

# Put $SOURCE into releases/NAME with an environment of its own.  A release that is complete is
# left alone, unless its name says that it was made from files that no commit holds.
# Arguments: name, environment to use instead of making one, folder of wheels, extras.
install_release() {
    local name=$1 venv=$2 wheels=$3 extras=$4
    local target="$ROOT$APP/releases/$name" part
    if [ -e "$target/.complete" ] && [ "${name%-dirty}" = "$name" ]; then
        say "Release $name is there already."
        return
    fi
    say "Release $name goes to $APP/releases/$name."
    run rm -f "$target/.complete"
    run install -d -m 755 "$target"
    for part in "${PARTS[@]}"; do
        [ -e "$SOURCE/$part" ] || die "$SOURCE/$part is missing: is this a complete checkout?"
    done
    # Nothing of an attempt before may stay behind.
    run rm -rf "${PARTS[@]/#/$target/}"
    run cp -R "${PARTS[@]/#/$SOURCE/}" "$target/"
    if [ -n "$venv" ]; then
        run ln -sfn "$venv" "$target/.venv"
    else
        run python3 -m venv "$target/.venv"
        install_packages_of "$target" "$wheels" "$extras"
    fi
    # The service may not write here, so Python could not keep what it compiled.
    run "$target/.venv/bin/python" -m compileall -q "$target/app" "$target/indextts"
    run touch "$target/.complete"
}

# From the network each file is taken by its hash.  A folder of wheels is the caller's own word, and
# so are extras that the lock does not have.
install_packages_of() {
    local target=$1 wheels=$2 extras=$3
    local pip=("$target/.venv/bin/python" -m pip install --disable-pip-version-check -q)
    if [ -n "$wheels" ]; then
        run "${pip[@]}" --no-index --find-links "$wheels" -c "$target/constraints.txt" \
            -e "$target${extras:+[$extras]}"
        return
    fi
    run "${pip[@]}" --no-deps --require-hashes -r "$target/requirements.lock"
    run "${pip[@]}" --no-build-isolation -c "$target/constraints.txt" \
        -e "$target${extras:+[$extras]}"
}

# Let `current` name another release, at once.
switch_release() {
    run ln -sfn "releases/$1" "$ROOT$APP/current.new"
    run mv -T "$ROOT$APP/current.new" "$ROOT$APP/current"
}

# Argument: folder of the release whose units they are.
install_units() {
    local units="$1/deploy/systemd"
    run install -d -m 755 "$ROOT$UNITS/indextts@.service.d"
    run install -m 644 "$units/indextts@.service" "$ROOT$UNITS/indextts@.service"
    run install -m 644 "$units/indextts.target" "$ROOT$UNITS/indextts.target"
    if [ "$(systemd_version)" -ge 254 ]; then
        run install -m 644 "$units/backoff.conf" \
            "$ROOT$UNITS/indextts@.service.d/backoff.conf"
    fi
    if live; then
        run systemctl daemon-reload
    fi
}

systemd_version() {
    local version
    version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    printf '%s' "${version:-0}"
}

# Numbers of the instances that are switched on.
enabled_instances() {
    local unit
    for unit in "$ROOT$UNITS"/indextts.target.wants/indextts@*.service; do
        [ -L "$unit" ] || continue
        unit=${unit##*@}
        printf '%s\n' "${unit%.service}"
    done
}
