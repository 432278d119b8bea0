"""Speak a text with requests, and write the file while it is made.

python speak_requests.py "Good morning." speech.mp3
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import requests

URL = os.environ.get("INDEXTTS_URL", "http://127.0.0.1:8000/v1")
KEY = os.environ.get("INDEXTTS_API_KEY", "none")


def speak(text: str, path: Path) -> None:
    """The form of the file is what its name ends in: mp3, opus, aac, flac, wav or pcm."""
    body = {
        "model": "tts-1",
        "voice": "alloy",
        "input": text,
        "response_format": path.suffix.removeprefix("."),
    }
    headers = {"Authorization": f"Bearer {KEY}"}
    with requests.post(
        f"{URL}/audio/speech", json=body, headers=headers, stream=True, timeout=(10, 300)
    ) as answer:
        if not answer.ok:
            raise SystemExit(answer.json()["error"]["message"])
        with path.open("wb") as file:
            for piece in answer.iter_content(None):
                file.write(piece)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="?", default="Good morning. How did you sleep?")
    parser.add_argument("file", nargs="?", type=Path, default=Path("speech.mp3"))
    options = parser.parse_args()
    speak(options.text, options.file)
