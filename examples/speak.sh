#!/bin/sh
# Speak a text with curl: speak.sh "Good morning." speech.mp3
set -eu

url=${INDEXTTS_URL:-http://127.0.0.1:8000/v1}
key=${INDEXTTS_API_KEY:-none}
text=${1:-Good morning. How did you sleep?}
file=${2:-speech.mp3}

# JSON wants these escaped, and no line breaks.
escaped=$(printf %s "$text" | tr '\n\t' '  ' | sed 's/[\\"]/\\&/g')

curl --silent --show-error --fail-with-body "$url/audio/speech" \
    --header "Authorization: Bearer $key" --header 'Content-Type: application/json' \
    --data "{\"model\": \"tts-1\", \"voice\": \"alloy\", \"input\": \"$escaped\"}" --output "$file"
