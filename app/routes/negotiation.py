"""What ``Accept`` and the field ``format`` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Request

from app.speech.encode import AudioFormat
from app.speech.stream_encode import StreamFormat

# Media types that clients ask with.
_FORMATS: dict[str, StreamFormat] = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/pcm": "pcm",
}
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class AnswerForm:
    """How ``/tts`` answers.

    Attributes:
        raw: the bytes of the file instead of JSON.
        format: of the file.
    """

    raw: bool
    format: AudioFormat


@dataclass(frozen=True)
class StreamForm:
    """How ``/tts/stream`` answers.

    Attributes:
        events: server-sent events instead of the bytes of the file.
        format: of the file.
    """

    events: bool
    format: StreamFormat


def negotiate(request: Request, asked: str | None) -> AnswerForm:
    """Read ``Accept``; JSON wins unless audio is named and preferred.

    Args:
        request: whose header is read.
        asked: the field ``format``, which decides about the format when it is given.
    """
    quality, named = _best_audio(request)
    raw = quality > 0 and quality >= _quality(request, "application/json")
    if asked is not None:
        return AnswerForm(raw, cast(AudioFormat, asked))
    format = named if raw and named != "pcm" else None
    return AnswerForm(raw, cast(AudioFormat, format or "wav"))


def negotiate_stream(request: Request, asked: str | None) -> StreamForm:
    """Read ``Accept``: the bytes of the sound, unless events are named and preferred."""
    quality, named = _best_audio(request)
    event_quality = _quality(request, EVENT_STREAM)
    events = event_quality > 0 and event_quality >= quality
    return StreamForm(events, cast(StreamFormat, asked or named or "wav"))


def _best_audio(request: Request) -> tuple[float, StreamFormat | None]:
    """The quality of the most wanted type of audio, and the format it names, if it names one."""
    wanted = [
        (quality, kind.lower())
        for kind, quality in request.accept_mimetypes
        if kind.lower().startswith("audio/")
    ]
    quality, best = max(wanted, key=lambda pair: pair[0], default=(0.0, ""))
    # Some clients name the codec: audio/ogg; codecs=opus.
    if best.startswith("audio/ogg") and "opus" in best:
        return quality, "opus"
    return quality, _FORMATS.get(best.partition(";")[0].strip())


def _quality(request: Request, media_type: str) -> float:
    return max(
        (q for kind, q in request.accept_mimetypes if kind.lower() == media_type), default=0.0
    )
