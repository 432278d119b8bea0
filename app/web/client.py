"""The client's end of a connection: how long it may take, and whether it is still there."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.exceptions import RequestTimeout

# Slower than any line on which somebody sends a clip.
SLOWEST_BYTES_PER_SECOND = 8192
_LEFT = select.POLLERR | select.POLLHUP | select.POLLNVAL
# Linux tells that the other side sends no more even when there are bytes still to be read.
_SENDS_NO_MORE: int = getattr(select, "POLLRDHUP", 0)
# Clients must pass over such answers (RFC 9110 section 15.2); the kernel of one that has left
# answers with a reset.
_ARE_YOU_THERE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The proxy or client is near, as a rule; who answers later is seen by a later look.
_RESET_MILLISECONDS = 20


@dataclass(frozen=True)
class Patience:
    """How long clients may take.

    Attributes:
        silent_seconds: without a byte, sent or taken.
        request_seconds: for the whole body, which must also come at SLOWEST_BYTES_PER_SECOND
            after the first `silent_seconds`; and for taking the whole answer, beside the seconds
            of sound in it.
    """

    silent_seconds: float
    request_seconds: float


class ClientSocket(socket.socket):
    """A connection on which each request has a total time, in both directions.

    One thread reads and writes at a time; any thread may ask :meth:`gone`.  The times hold while
    the socket is blocking.

    Args:
        accepted: is taken over.
        patience: the limits.
        clock: seconds, never going back.

    Attributes:
        path: asked for by the latest request, for answers that the application does not give.
    """

    path = ""

    def __init__(
        self,
        accepted: socket.socket,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()  # guards what `gone` and `sendall` share
        self.begin()

    def begin(self, *, interim: bool = False, seconds: float | None = None) -> None:
        """A request begins.

        Args:
            interim: the client understands interim answers (HTTP/1.1).
            seconds: for taking the answer, instead of the patience's.
        """
        silent, request = self._patience.silent_seconds, self._patience.request_seconds
        self._silent = silent if seconds is None else min(silent, seconds)
        self._started = self._clock()
        self._received = 0
        self._sending_left = request if seconds is None else seconds
        with self._lock:
            self._interim = interim
            self._answering = False
            self._asked = False

    def more_sound(self, seconds: float) -> None:
        """The answer grew by so much sound, which a player takes as slowly as it sounds."""
        self._sending_left += seconds

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read; raises RequestTimeout when the request's time is over."""
        if flags or self.gettimeout() is not None:
            return super().recv(size, flags)
        allowed = self._patience.silent_seconds + self._received / SLOWEST_BYTES_PER_SECOND
        end = self._started + min(allowed, self._patience.request_seconds)
        self._limit(socket.SO_RCVTIMEO, end - self._clock(), RequestTimeout)
        try:
            data = super().recv(size)
        except BlockingIOError:
            raise RequestTimeout from None
        self._received += len(data)
        return data

    def sendall(self, data: bytes | bytearray | memoryview, flags: int = 0, /) -> None:  # type: ignore[override]
        """Write; raises BrokenPipeError when the client does not take it in time.

        Only waiting for the client counts: what the system takes at once costs it nothing, however
        long this thread stands still around it.
        """
        with self._lock:
            self._answering = True
        with memoryview(data).cast("B") as view:
            done = 0
            while done < len(view):
                with contextlib.suppress(BlockingIOError):
                    done += super().send(view[done:], flags | socket.MSG_DONTWAIT)
                    continue
                self._limit(socket.SO_SNDTIMEO, self._sending_left, _not_taken)
                started = self._clock()
                try:
                    done += super().send(view[done:], flags)
                except BlockingIOError:
                    raise _not_taken() from None
                finally:
                    self._sending_left -= self._clock() - started

    def gone(self) -> bool:
        """Whether the client has left; asked often, from any thread, while a request is served.

        A client that has only closed its sending side waits for its answer.  It looks like one that
        has left until something is sent to it, hence the interim answer.  Where that cannot be, in
        HTTP/1.0 or once the answer has begun, whoever sends no more counts as gone.
        """
        try:
            poll = select.poll()
            poll.register(self, _SENDS_NO_MORE or select.POLLIN)
            events = poll.poll(0)
            if not events:
                return False
            if events[0][1] & _LEFT:
                return True
            if not _SENDS_NO_MORE and self.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return False
            return not self._listens()
        except (OSError, ValueError):
            return True

    def _listens(self) -> bool:
        with self._lock:
            if self._asked:
                return True  # a reset that came later would have been seen
            if self._answering or not self._interim:
                return False
            self._asked = True
            super().send(_ARE_YOU_THERE, socket.MSG_DONTWAIT)
        poll = select.poll()
        poll.register(self, 0)
        return not poll.poll(_RESET_MILLISECONDS)

    def _limit(self, option: int, left: float, late: Callable[[], Exception]) -> None:
        # The kernel's limit: with Python's, the socket would no longer be a blocking one.
        seconds = min(self._silent, left)
        if seconds <= 0:
            raise late()
        whole = int(seconds)
        microseconds = max(1, int((seconds - whole) * 1e6))
        self.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", whole, microseconds))


def _not_taken() -> Exception:
    return BrokenPipeError("the client does not take the answer")


def client_gone(connection: ClientSocket | None) -> Callable[[], bool]:
    """A question that may be asked often, from any thread, while the request is unanswered.

    Args:
        connection: ``environ["gunicorn.socket"]``, or None where another server runs the
            application.
    """
    return connection.gone if connection is not None else lambda: False


def more_sound(connection: ClientSocket | None) -> Callable[[float], None]:
    """Who is to be told of the seconds of sound in an answer."""
    return connection.more_sound if connection is not None else lambda _: None
