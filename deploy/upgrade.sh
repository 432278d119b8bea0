#!/usr/bin/env bash
# Bring another release into service while the instances keep answering; back again if it fails.
# Run it from the checkout of the new release.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    cat <<'TEXT'
usage: deploy/upgrade.sh [OPTION ...]

  --to NAME       go to a release that is installed already, e.g. back to the one before
  --release NAME  name of the new release (default: version and commit)
  --extras LIST, --wheels DIR, --venv DIR
                  as for install.sh
  --wait SECONDS, --pause SECONDS
                  as for rolling-restart.sh
  --root DIR      where the service is installed
  --dry-run       say what would be done
TEXT
}

TO="" RELEASE="" EXTRAS="" WHEELS="" VENV="" RESTART=()
while [ $# -gt 0 ]; do
    case $1 in
        --to) need_value "$@"; TO=$2; shift ;;
        --release) need_value "$@"; RELEASE=$2; shift ;;
        --extras) need_value "$@"; EXTRAS=$2; shift ;;
        --wheels) need_value "$@"; WHEELS=$(absolute "$2"); shift ;;
        --venv) need_value "$@"; VENV=$(absolute "$2"); shift ;;
        --wait | --pause) need_value "$@"; RESTART+=("$1" "$2"); shift ;;
        --root) need_value "$@"; ROOT=$(absolute "$2"); shift ;;
        --dry-run) DRY_RUN=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; die "unknown option $1" ;;
    esac
    shift
done
[ "$DRY_RUN" = no ] || RESTART+=(--dry-run)
[ -z "$ROOT" ] || RESTART+=(--root "$ROOT")

# The settings that are in use must be understood by the new release, before anything is touched.
check_settings() {
    local release="$ROOT$APP/releases/$1"
    local code='import os; from app.settings.source import load_settings; load_settings(os.environ)'
    (
        [ "$DRY_RUN" = yes ] || cd "$release"
        run env INDEXTTS_ENV_FILE="$ROOT$ETC/indextts.env" "$release/.venv/bin/python" -c "$code"
    )
}

use() {
    switch_release "$1"
    install_units "$ROOT$APP/releases/$1"
}

restart() { "$SOURCE/deploy/rolling-restart.sh" "${RESTART[@]}"; }

# Remove the oldest releases, never the one in use nor the one before it.
prune() {
    local name
    find "$ROOT$APP/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn \
        | cut -d' ' -f2- | tail -n "+$((KEEP_RELEASES + 1))" | while read -r name; do
        if [ "$name" != "$NEW" ] && [ "$name" != "$OLD" ]; then
            say "Release $name is removed."
            run rm -rf "${ROOT:?}$APP/releases/$name"
        fi
    done
}

require_root
OLD=$(current_release)
[ -n "$OLD" ] || die "nothing is installed: run deploy/install.sh"
if [ -n "$TO" ]; then
    [ -e "$ROOT$APP/releases/$TO/.complete" ] || die "there is no release $TO in $APP/releases"
    NEW=$TO
else
    NEW=${RELEASE:-$(release_name)}
    install_release "$NEW" "$VENV" "$WHEELS" "$EXTRAS"
fi
check_settings "$NEW" || die "release $NEW does not accept the settings; nothing was changed"
use "$NEW"
if ! restart; then
    say "The new release does not work; back to $OLD."
    use "$OLD"
    restart || die "the old release does not start either: journalctl -u 'indextts@*'"
    die "release $NEW was not brought into service; $OLD answers"
fi
[ "$DRY_RUN" = yes ] || prune
say "Done: $OLD -> $NEW."
