#!/usr/bin/env bash
# Build the image and run the service in a container; on the GPU where Docker can use one.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./run_docker.sh [OPTION ...] [-- OPTION_OF_SERVER.PY ...]

  --gpu | --cpu    do not look for a GPU, take this
  --models DIR     the weights, or the folder around IndexTTS (default: models)
  --port PORT      on this machine (default: 8000)
  --public         listen on all addresses, not only on 127.0.0.1: set API keys first
  --env-file FILE  settings, INDEXTTS_NAME=value
  --detach         run in the background
  --no-build       use the image that is there
  --dry-run        say what would be done
TEXT
}

die() { printf 'error: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*"; }

TARGET="" MODELS="" PORT=8000 ADDRESS=127.0.0.1 ENV_FILE="" DETACH=no BUILD=yes DRY_RUN=no
while [ $# -gt 0 ]; do
    case $1 in
        --models | --port | --env-file) case ${2-} in '' | --*) die "$1 needs a value" ;; esac ;;
    esac
    case $1 in
        --gpu) TARGET=cuda ;;
        --cpu) TARGET=cpu ;;
        --models) MODELS=$2; shift ;;
        --port) PORT=$2; shift ;;
        --public) ADDRESS=0.0.0.0 ;;
        --env-file) ENV_FILE=$2; shift ;;
        --detach) DETACH=yes ;;
        --no-build) BUILD=no ;;
        --dry-run) DRY_RUN=yes ;;
        -h | --help) usage; exit 0 ;;
        --) shift; break ;;
        *) usage >&2; die "unknown option $1" ;;
    esac
    shift
done

run() {
    say "+ $*"
    [ "$DRY_RUN" = yes ] || "$@"
}

detect() {
    if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
        say "No NVIDIA GPU was found: the CPU will do the work, which is slow."
        TARGET=cpu
    elif ! docker info 2>/dev/null | grep -Eqi 'nvidia|cdi:'; then
        say "There is a GPU, but Docker cannot use it: install the NVIDIA Container Toolkit."
        say "Until then the CPU will do the work, which is slow."
        TARGET=cpu
    else
        say "Found: $(nvidia-smi -L | head -n1)"
        TARGET=cuda
    fi
}

command -v docker >/dev/null || die "docker is missing: https://docs.docker.com/engine/install"
[ -n "$TARGET" ] || detect
has_weights() { [ -e "$1/config.yaml" ] || [ -e "$1/IndexTTS/config.yaml" ]; }
if [ -n "$MODELS" ] && ! has_weights "$MODELS"; then
    say "$MODELS holds no weights: indextts download --dir $MODELS/IndexTTS   (docs/models.md)"
    [ "$DRY_RUN" = yes ] || exit 1
elif [ -z "$MODELS" ] && has_weights models; then
    MODELS=models
elif [ -z "$MODELS" ]; then
    say "There are no weights in models/IndexTTS: the demonstration model of the image will speak."
    say "The official model: make weights   (docs/models.md)"
fi

if [ "$BUILD" = yes ]; then
    run docker build --target "$TARGET" --tag "indextts:$TARGET" .
fi
options=(--rm --name indextts --init --read-only --tmpfs /tmp --cap-drop ALL
    --security-opt no-new-privileges --stop-timeout 200
    --volume indextts-voices:/app/voices
    --publish "$ADDRESS:$PORT:8000")
if [ -n "$MODELS" ]; then
    MODELS=$(cd "$MODELS" 2>/dev/null && pwd || printf '%s' "$MODELS")
    options+=(--volume "$MODELS:/app/models:ro")
fi
[ "$TARGET" = cpu ] || options+=(--gpus all)
[ -z "$ENV_FILE" ] || options+=(--env-file "$ENV_FILE")
[ "$DETACH" = no ] || options+=(--detach)
say "The service will answer at http://127.0.0.1:$PORT; /health says when the model is loaded."
run docker run "${options[@]}" "indextts:$TARGET" "$@"
