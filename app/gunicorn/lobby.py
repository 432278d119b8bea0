"""Connections that no thread is for: whose request is still coming, or whose answer is given."""

from __future__ import annotations

import re
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# More than any client sends; what is larger is answered without being read further.
LARGEST_HEAD = 1 << 15
# Time for the client to close its end too, once the answer is given (RFC 9112 section 9.6); begins
# anew while it still sends.
LEAVING_SECONDS = 2.0
_LOOK_SECONDS = 0.25
_READ = 1 << 16
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class Head(Enum):
    """How far the head of a request has come."""

    COMING = 0
    # Whole, or so that no more is needed to refuse it.
    READY = 1
    TOO_LARGE = 2


@dataclass(eq=False)
class Guest:
    """A connection in the lobby.

    Attributes:
        conn: Gunicorn's connection.
        until: value of ``time.monotonic()`` at which it is sent away.
        latest: how far `until` may be put off.
        leaving: its answer is given; what still comes is of no interest.
        head: what has come of the request.
    """

    conn: Any
    until: float
    latest: float
    leaving: bool = False
    head: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> Head:
        """Add what came, and look at what is there now."""
        start = max(0, len(self.head) - 3)
        self.head += data
        if self.head.find(b"\r\n\r\n", start) >= 0:
            return Head.READY
        # A line that ends otherwise is refused by the parser at once.
        if _BARE_LINE_FEED.search(self.head, max(0, start - 1)):
            return Head.READY
        return Head.TOO_LARGE if len(self.head) > LARGEST_HEAD else Head.COMING


class Lobby:
    """Waits for heads and for ends without a thread; belongs to the worker's main thread.

    Args:
        poller: of the main loop, whose callbacks take a file object.
        head_seconds: for the head of a request, from its first byte or the connection's begin.
        arrived: is called with a guest whose head is ready or too large.
        missed: is called with a guest whose head did not come, or not in time.  Where it has sent
            something, it waits for an answer.
        left: is called with a guest that has left.
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        head_seconds: float,
        *,
        arrived: Callable[[Guest, Head], None],
        missed: Callable[[Guest], None],
        left: Callable[[Guest], None],
    ) -> None:
        self._poller = poller
        self._head_seconds = head_seconds
        self._arrived = arrived
        self._missed = missed
        self._left = left
        self._guests: dict[Guest, None] = {}  # in the order in which they came
        self._next_look = 0.0

    def wait_for_head(self, conn: Any, begun: bytes) -> None:
        """Take in a connection, with what is there already of its next request."""
        end = time.monotonic() + self._head_seconds
        guest = Guest(conn, end, end)
        if begun and (head := guest.take(begun)) is not Head.COMING:
            self._arrived(guest, head)
            return
        self._add(guest)
        # Most requests are there already.
        self._readable(guest)

    def see_off(self, conn: Any) -> None:
        """Wait until the client has closed too; else it might lose the end of its answer."""
        now = time.monotonic()
        self._add(Guest(conn, now + LEAVING_SECONDS, now + self._head_seconds, leaving=True))

    def expire(self) -> None:
        """Send away whose time is over."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        for guest in [guest for guest in self._guests if guest.until <= now]:
            self._send_away(guest)

    def hurry(self, seconds: float) -> None:
        """The worker ends: nobody has more than this long."""
        until = time.monotonic() + seconds
        for guest in self._guests:
            guest.until, guest.latest = min(guest.until, until), min(guest.latest, until)

    def make_room(self) -> bool:
        """Send somebody away: who leaves anyhow, else who has waited longest; False for nobody."""
        oldest = next(iter(self._guests), None)
        guest = next((guest for guest in self._guests if guest.leaving), oldest)
        if guest is None:
            return False
        guest.head.clear()  # no answer: nothing is wrong with what it sent
        self._send_away(guest)
        return True

    def _add(self, guest: Guest) -> None:
        guest.conn.sock.setblocking(False)
        self._guests[guest] = None
        self._poller.register(
            guest.conn.sock, selectors.EVENT_READ, lambda _: self._readable(guest)
        )

    def _remove(self, guest: Guest) -> None:
        self._poller.unregister(guest.conn.sock)
        del self._guests[guest]

    def _send_away(self, guest: Guest) -> None:
        self._remove(guest)
        (self._left if guest.leaving else self._missed)(guest)

    def _readable(self, guest: Guest) -> None:
        if guest not in self._guests:
            return  # sent away by another event of the same turn
        try:
            data = guest.conn.sock.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            guest.head.clear()  # nobody waits for an answer
            self._send_away(guest)
        elif guest.leaving:
            guest.until = min(guest.latest, time.monotonic() + LEAVING_SECONDS)
        elif (head := guest.take(data)) is not Head.COMING:
            self._remove(guest)
            self._arrived(guest, head)
