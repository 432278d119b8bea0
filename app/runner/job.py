"""One request on its way through the engine thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.runner.channel import EventChannel
from app.runner.engine import SynthesisRequest
from app.runner.work import work_of


class Seat:
    """A place among those whom the engine serves; leaving it is safe from any thread.

    Args:
        free: called once, when the seat is left.
    """

    def __init__(self, free: Callable[[], None]) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._taken = True

    def leave(self) -> None:
        """Free the seat; harmless twice."""
        with self._lock:
            taken, self._taken = self._taken, False
        if taken:
            self._free()


@dataclass(eq=False)
class Job:
    """A request, its limits, and the channel for its events.

    Shared by the request thread, which reads events, and the engine thread, which writes them;
    the watchdog reads `last_step`.  Fields are set once, but for `last_step`: one number that only
    the engine thread writes.

    Attributes:
        deadline: value of ``time.monotonic()``.
        client_gone: True when nobody waits for the answer any more; asked by two threads.
        request_id: for the log.
        seat: is left when the engine is done, however long the reader takes.
        last_step: value of ``time.monotonic()`` at the engine's last sign of life; None while the
            job does not run.
    """

    request: SynthesisRequest
    deadline: float
    client_gone: Callable[[], bool]
    request_id: str = ""
    seat: Seat | None = None
    events: EventChannel = field(default_factory=EventChannel)
    queued_at: float = field(default_factory=time.monotonic)
    last_step: float | None = None

    @property
    def work(self) -> float:
        """How much it is, by a guess."""
        return work_of(self.request.text, self.request.speed)

    @property
    def overdue(self) -> bool:
        return time.monotonic() > self.deadline

    @property
    def unwanted(self) -> bool:
        """Whether nobody waits for the events any more."""
        return self.events.closed or self.client_gone()
