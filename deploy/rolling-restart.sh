#!/usr/bin/env bash
# Restart the instances one after another; the next waits until the one before can speak again.
# Nginx gives requests to the others meanwhile.  With one instance there is a gap.
set -euo pipefail

# shellcheck source=deploy/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    cat <<'TEXT'
usage: deploy/rolling-restart.sh [--wait SECONDS] [--pause SECONDS] [--root DIR] [--dry-run] [N ...]

  N ...            instances (default: all that are switched on)
  --wait SECONDS   how long an instance may take to load its model (600)
  --pause SECONDS  between one instance and the next (6; Nginx leaves a failed one alone for 5)
  --root DIR       where run/indextts-N/api.sock is
  --dry-run        say what would be done
TEXT
}

WAIT=600 PAUSE=6 INSTANCES=()
while [ $# -gt 0 ]; do
    case $1 in
        --wait) need_value "$@"; WAIT=$2; shift ;;
        --pause) need_value "$@"; PAUSE=$2; shift ;;
        --root) need_value "$@"; ROOT=$(absolute "$2"); shift ;;
        --dry-run) DRY_RUN=yes ;;
        -h | --help) usage; exit 0 ;;
        [0-9]) INSTANCES+=("$1") ;;
        *) usage >&2; die "unknown option $1" ;;
    esac
    shift
done
[ "$DRY_RUN" = yes ] || need curl curl
[ ${#INSTANCES[@]} -gt 0 ] || mapfile -t INSTANCES < <(enabled_instances)
[ ${#INSTANCES[@]} -gt 0 ] || die "no instance is switched on: systemctl enable indextts@0"
[ ${#INSTANCES[@]} -gt 1 ] || say "There is one instance only: clients get 502 while it restarts."

healthy() {
    # --fail: /health is 503 until the model is loaded.
    curl --silent --fail --max-time 5 --output /dev/null \
        --unix-socket "$ROOT/run/indextts-$1/api.sock" http://localhost/health
}

wait_until_healthy() {
    local end=$((SECONDS + WAIT))
    until healthy "$1"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 1
    done
}

for position in "${!INSTANCES[@]}"; do
    number=${INSTANCES[$position]}
    [ "$position" = 0 ] || run sleep "$PAUSE"
    say "Restarting instance $number."
    # Comes back when it listens again; until then it finished what it was working on.
    run systemctl restart "indextts@$number.service" \
        || die "instance $number does not start: journalctl -u indextts@$number; the rest is as before"
    if [ "$DRY_RUN" = no ] && ! wait_until_healthy "$number"; then
        die "instance $number is not healthy after $WAIT s: journalctl -u indextts@$number; the rest is as before"
    fi
done
say "Done: ${INSTANCES[*]}."
