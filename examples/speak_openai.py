"""Speak a text with OpenAI's package: pip install openai.

python speak_openai.py "Good morning." speech.mp3
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from openai import OpenAI

URL = os.environ.get("INDEXTTS_URL", "http://127.0.0.1:8000/v1")
KEY = os.environ.get("INDEXTTS_API_KEY", "none")


def speak(text: str, path: Path, clip: Path | None) -> None:
    """Write the file while it is made; with a clip of a voice, in this voice."""
    more = {} if clip is None else {"ref_audio": clip.read_bytes().hex()}
    client = OpenAI(base_url=URL, api_key=KEY)
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=text, extra_body=more
    ) as answer:
        answer.stream_to_file(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="?", default="Good morning. How did you sleep?")
    parser.add_argument("file", nargs="?", type=Path, default=Path("speech.mp3"))
    parser.add_argument("--clip", type=Path, help="a few seconds of the voice to speak in")
    options = parser.parse_args()
    speak(options.text, options.file, options.clip)
