"""JSON or the audio itself, and in which format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Request

from app.speech.encode import AudioFormat

# Media types that clients ask with.
_FORMATS: dict[str, AudioFormat] = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
}


@dataclass(frozen=True)
class AnswerForm:
    """How to answer.

    Attributes:
        raw: the bytes of the file instead of JSON.
        format: of the file.
    """

    raw: bool
    format: AudioFormat


def negotiate(request: Request, asked: str | None) -> AnswerForm:
    """Read ``Accept``; JSON wins unless audio is named and preferred.

    Args:
        request: whose header is read.
        asked: the field ``format``, which decides about the format when it is given.
    """
    audio = [
        (quality, kind) for kind, quality in request.accept_mimetypes if kind.startswith("audio/")
    ]
    json_quality = max(
        (q for kind, q in request.accept_mimetypes if kind == "application/json"), default=0.0
    )
    best_quality, best = max(audio, key=lambda pair: pair[0], default=(0.0, ""))
    raw = best_quality > 0 and best_quality >= json_quality
    if asked is not None:
        return AnswerForm(raw, cast(AudioFormat, asked))
    # Some clients name the codec: audio/ogg; codecs=opus.
    if raw and best.startswith("audio/ogg") and "opus" in best:
        return AnswerForm(raw, "opus")
    kind = best.partition(";")[0].strip()
    return AnswerForm(raw, _FORMATS.get(kind, "wav") if raw else "wav")
