"""Bodies that can be sent as they stand: the examples of the API description."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import soundfile

from app.speech.encode import encode_audio

VOICE = Path(__file__).resolve().parents[2] / "examples" / "voices" / "en_female.flac"
SECONDS = 3.0
TEXT = "Good morning. How did you sleep?"


def example_body(voice: Path = VOICE) -> dict[str, Any]:
    """A body for the speech routes: a short clip in it where there is one, else a URL."""
    return {"text": TEXT, "spk_audio": _clip(voice), "emo_alpha": 1.0, "seed": 1}


def _clip(voice: Path) -> str:
    """The first seconds of a voice as a ``data:`` URI of a dozen kilobytes."""
    if not voice.is_file():
        return "https://example.com/voice.wav"
    with soundfile.SoundFile(voice) as file:
        samples = file.read(int(SECONDS * file.samplerate), dtype="float32", always_2d=True)[:, 0]
        opus = encode_audio(samples.copy(), file.samplerate, "opus").data
    return "data:audio/ogg;base64," + base64.b64encode(opus).decode("ascii")
