"""Requests of the tiny model."""

from __future__ import annotations

from indextts.request import ReferenceAudio, SynthesisRequest
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

LONG_TEXT = " ".join(SENTENCES[:2] * 3)


def clip(seed: int, seconds: float = 1.0) -> ReferenceAudio:
    return ReferenceAudio(voice(seed, seconds), SAMPLE_RATE)


def request(text: str = SENTENCES[0], speaker: int = 1, **options: object) -> SynthesisRequest:
    options.setdefault("seed", 7)
    return SynthesisRequest(text=text, speaker=clip(speaker), **options)  # type: ignore[arg-type]
