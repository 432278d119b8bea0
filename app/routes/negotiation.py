"""What ``Accept`` and the field ``format`` ask for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from flask import Request

from app.routes.schemas import FORMATS, STREAM_FORMATS
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
ANY_AUDIO = "audio/*"
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


@dataclass(frozen=True)
class _Wish:
    """What ``Accept`` says of audio.

    Attributes:
        named: some type of audio is wanted, be it one that is not made here.
        quality: of the most wanted type that is made here; 0 where there is none.
        format: that this type names, if it names one.
    """

    named: bool
    quality: float
    format: StreamFormat | None


def negotiate(request: Request, asked: str | None) -> AnswerForm:
    """Read ``Accept``; JSON wins unless audio is named and preferred.

    Args:
        request: whose header is read.
        asked: the field ``format``, which decides about the format when it is given.
    """
    wish = _audio_wish(request, FORMATS)
    raw = wish.named and wish.quality >= _quality(request, "application/json")
    format = asked or (wish.format if raw else None) or "wav"
    return AnswerForm(raw, cast(AudioFormat, format))


def negotiate_stream(request: Request, asked: str | None) -> StreamForm:
    """Read ``Accept``: the bytes of the sound, unless events are named and preferred."""
    wish = _audio_wish(request, STREAM_FORMATS)
    event_quality = _quality(request, EVENT_STREAM)
    events = event_quality > 0 and event_quality >= wish.quality
    return StreamForm(events, cast(StreamFormat, asked or wish.format or "wav"))


def _audio_wish(request: Request, made: Collection[str]) -> _Wish:
    """What is wanted of the formats that are made; any of them may stand for ``audio/*``."""
    kinds = [
        (quality, kind.lower())
        for kind, quality in request.accept_mimetypes
        if kind.lower().startswith("audio/") and quality > 0
    ]
    wanted = [(quality, _format_of(kind)) for quality, kind in kinds if kind != ANY_AUDIO]
    possible = [(quality, format) for quality, format in wanted if format in made]
    possible += [(quality, None) for quality, kind in kinds if kind == ANY_AUDIO]
    quality, best = max(possible, key=lambda pair: pair[0], default=(0.0, None))
    return _Wish(bool(kinds), quality, best)


def _format_of(kind: str) -> StreamFormat | None:
    # Some clients name the codec: audio/ogg; codecs=opus.
    if kind.startswith("audio/ogg") and "opus" in kind:
        return "opus"
    return _FORMATS.get(kind.partition(";")[0].strip())


def _quality(request: Request, media_type: str) -> float:
    return max(
        (q for kind, q in request.accept_mimetypes if kind.lower() == media_type), default=0.0
    )
