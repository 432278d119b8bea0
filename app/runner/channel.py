"""What the engine thread tells one request thread, in order, without ever waiting for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass

from app.runner.engine import Quality, Sound, StageSeconds
from app.runner.errors import ReaderTooSlowError

log = logging.getLogger(__name__)

# About 25 minutes of sound that nobody has taken; more is a reader who does not read.
MAX_WAITING_BYTES = 1 << 27


@dataclass(frozen=True, eq=False)
class Completed:
    """The last event of a job that was done.

    Attributes:
        seed: repeats the result.
        quality: the class that it was spoken in.
        warnings: sentences for the caller.
        stages: wall-clock seconds of each stage.
        queue_seconds: wait for the engine.
        inference_seconds: time with the engine.
        audio_seconds: of sound that was made.
    """

    seed: int
    quality: Quality
    warnings: tuple[str, ...]
    stages: StageSeconds
    queue_seconds: float
    inference_seconds: float
    audio_seconds: float


@dataclass(frozen=True, eq=False)
class Failed:
    """The last event of a job that was not done."""

    error: Exception


JobEvent = Sound | Completed | Failed


class EventChannel:
    """A queue for one writer side and one reader; every field is guarded by its condition.

    Writing never blocks: a reader that is slow costs memory up to `max_bytes`, never the model's
    time.  After the first Completed or Failed, and once the reader has closed, events are dropped.
    """

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._events: deque[JobEvent] = deque()
        self._bytes = 0
        self._ended = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the reader has gone, so that nobody wants the rest."""
        with self._changed:
            return self._closed

    def put(self, event: JobEvent) -> None:
        """Add an event.

        Raises:
            ReaderTooSlowError: more sound would be too much; the job should end.
        """
        with self._changed:
            if self._ended:
                log.warning("An event came after its job had ended")
                return
            if isinstance(event, Sound):
                if self._closed:
                    return
                if self._bytes + event.waveform.nbytes > self._max_bytes:
                    raise ReaderTooSlowError
                self._bytes += event.waveform.nbytes
            else:
                self._ended = True
            if not self._closed:
                self._events.append(event)
                self._changed.notify_all()

    def next(self, seconds: float) -> JobEvent | None:
        """Take the next event; None when there is none within `seconds`."""
        with self._changed:
            if not self._events:
                self._changed.wait(seconds)
            if not self._events:
                return None
            event = self._events.popleft()
            if isinstance(event, Sound):
                self._bytes -= event.waveform.nbytes
            return event

    def close(self) -> None:
        """The reader goes: what waits is dropped, and the work is to stop."""
        with self._changed:
            self._closed = True
            self._events.clear()
            self._bytes = 0
