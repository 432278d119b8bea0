"""OpenAI's server-sent events of a speech."""

from __future__ import annotations

from typing import Any

from app.routes.negotiation import EVENT_STREAM
from app.routes.stream_writers import in_base64, server_sent_event
from app.speech.events import Audible, Finished
from app.speech.stream_encode import StreamEncoder
from app.web.error_bodies import openai_body
from app.web.errors import ApiError

# Some clients read lines of at most 64 KB; a multiple of 3 leaves no padding between the pieces.
DELTA_BYTES = 24_576


class SpeechEventWriter:
    """``speech.audio.delta`` ..., ``speech.audio.done`` or ``error``.

    The ``audio`` of all deltas, decoded from base64 and joined, is the file.
    """

    content_type = EVENT_STREAM
    file_name = ""

    def __init__(self, encoder: StreamEncoder) -> None:
        self._encoder = encoder

    def start(self) -> bytes:
        return _deltas(self._encoder.start())

    def sound(self, event: Audible) -> bytes:
        return _deltas(self._encoder.encode(event.rest))

    def finished(self, event: Finished) -> bytes:
        usage = {
            "input_tokens": event.text_tokens,
            "output_tokens": event.codes,
            "total_tokens": event.text_tokens + event.codes,
        }
        return _deltas(self._encoder.finish()) + _event("speech.audio.done", {"usage": usage})

    def failed(self, error: ApiError) -> bytes:
        return _event("error", openai_body(error))


def _deltas(audio: bytes) -> bytes:
    pieces = (audio[at : at + DELTA_BYTES] for at in range(0, len(audio), DELTA_BYTES))
    return b"".join(_event("speech.audio.delta", {"audio": in_base64(piece)}) for piece in pieces)


def _event(name: str, data: dict[str, Any]) -> bytes:
    return server_sent_event(name, {"type": name, **data})
