"""The body of a stream: the bytes of a file, or server-sent events that carry them."""

from __future__ import annotations

import errno
import json
from base64 import b64encode
from typing import Any, Protocol

from app.request_id import current_request_id
from app.routes.answers import SegmentEvent, SummaryEvent
from app.routes.negotiation import EVENT_STREAM
from app.speech.events import Audible, Finished, SegmentReady
from app.speech.stream_encode import StreamEncoder
from app.web.error_bodies import own_body
from app.web.errors import ApiError


class StreamBrokenError(ConnectionResetError):
    """The speech failed when a part of it had been sent; the connection must not end cleanly.

    Gunicorn closes a connection that was reset without the last chunk and without a word in the
    log, where our line about the failure stands already.
    """

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the stream broke")


class Writer(Protocol):
    """Makes the body, piece by piece.

    Attributes:
        content_type: of the body.
        file_name: that a browser may save it under; empty where the body is no file.
    """

    content_type: str
    file_name: str

    def start(self) -> bytes:
        """The first bytes."""
        ...

    def sound(self, event: Audible) -> bytes:
        """The bytes for what is new of a segment, or of a part of one."""
        ...

    def finished(self, event: Finished) -> bytes:
        """The last bytes."""
        ...

    def failed(self, error: ApiError) -> bytes:
        """The last bytes of a stream that failed, or raises StreamBrokenError."""
        ...


class SoundWriter:
    """The file itself."""

    def __init__(self, encoder: StreamEncoder) -> None:
        self._encoder = encoder
        self.content_type = encoder.mime
        self.file_name = f"speech.{encoder.extension}"

    def start(self) -> bytes:
        return self._encoder.start()

    def sound(self, event: Audible) -> bytes:
        return self._encoder.encode(event.rest)

    def finished(self, event: Finished) -> bytes:
        return self._encoder.finish()

    def failed(self, error: ApiError) -> bytes:
        # Half a sentence must not look like a whole one: without the last chunk, clients notice.
        raise StreamBrokenError from error


class EventWriter:
    """Server-sent events: ``start``, a ``segment`` each, and ``finished`` or ``error``.

    A ``sound`` is what there is of a segment before the segment.

    The ``audio`` of all events, decoded from base64 and joined, is the file.
    """

    content_type = EVENT_STREAM
    file_name = ""

    def __init__(self, encoder: StreamEncoder) -> None:
        self._encoder = encoder

    def start(self) -> bytes:
        audio = in_base64(self._encoder.start())
        return server_sent_event("start", {"content_type": self._encoder.mime, "audio": audio})

    def sound(self, event: Audible) -> bytes:
        audio = in_base64(self._encoder.encode(event.rest))
        if isinstance(event, SegmentReady):
            return server_sent_event("segment", {**SegmentEvent().dump(event), "audio": audio})
        return server_sent_event("sound", {"audio": audio})

    def finished(self, event: Finished) -> bytes:
        audio = in_base64(self._encoder.finish())
        return server_sent_event("finished", {**SummaryEvent().dump(event), "audio": audio})

    def failed(self, error: ApiError) -> bytes:
        return server_sent_event("error", own_body(error, current_request_id()))


def server_sent_event(name: str, data: dict[str, Any]) -> bytes:
    """One event as it stands in the body."""
    # JSON has no line breaks of its own, so one data line holds it.
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def in_base64(data: bytes) -> str:
    """Bytes as text that JSON can hold."""
    return b64encode(data).decode("ascii")
