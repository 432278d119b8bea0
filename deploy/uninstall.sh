#!/usr/bin/env bash
# Remove the service.  Settings, certificates, weights and the user stay, unless --purge is given.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    cat <<'TEXT'
usage: deploy/uninstall.sh [--purge] [--root DIR] [--dry-run]

  --purge     also remove /etc/indextts, /var/lib/indextts (weights and voices!), the cache and the user
  --root DIR  uninstall from a folder
  --dry-run   say what would be done
TEXT
}

PURGE=no
while [ $# -gt 0 ]; do
    case $1 in
        --purge) PURGE=yes ;;
        --root) need_value "$@"; ROOT=$(absolute "$2"); shift ;;
        --dry-run) DRY_RUN=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; die "unknown option $1" ;;
    esac
    shift
done
require_root

if [ -e "$ROOT$UNITS/indextts.target" ]; then
    if live; then
        run systemctl stop indextts.target
    fi
    for number in $(enabled_instances); do
        run systemctl ${ROOT:+--root="$ROOT"} disable -q "indextts@$number.service"
    done
    run systemctl ${ROOT:+--root="$ROOT"} disable -q indextts.target
fi
run rm -rf "$ROOT$UNITS/indextts@.service" "$ROOT$UNITS/indextts@.service.d" \
    "$ROOT$UNITS/indextts.target" "$ROOT$UNITS/indextts.target.wants"
if [ -L "$ROOT$SITE_LINK" ]; then
    run rm -f "$ROOT$SITE_LINK" "$ROOT$SITE"
    if live; then
        run systemctl reload nginx
    fi
fi
if live; then
    run systemctl daemon-reload
fi
run rm -rf "$ROOT$APP"
if [ "$PURGE" = yes ]; then
    run rm -rf "$ROOT$ETC" "$ROOT/var/lib/indextts" "$ROOT/var/cache/indextts"
    run rm -f "$ROOT/usr/lib/sysusers.d/indextts.conf"
    if grep -qs '^indextts:' "$ROOT/etc/passwd"; then
        run userdel ${ROOT:+--prefix="$ROOT"} indextts
    fi
else
    say "Kept: $ETC, ${MODELS%/*} and the user indextts (--purge removes them)."
fi
say "Done."
