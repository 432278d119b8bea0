"""Who may come in, who waits, who runs: the bounded queue before the engine."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from app.runner.channel import Completed, JobEvent
from app.runner.errors import QueueFullError
from app.runner.job import Job, Seat

MAX_RETRY_SECONDS = 120
# Until a request has been served, nobody knows how long one takes.
FIRST_GUESS_SECONDS = 5.0


@dataclass(frozen=True)
class QueueCounts:
    """A snapshot of the queue."""

    waiting: int
    running: int
    capacity: int


class Admission:
    """Seats, the waiting jobs and the running ones; every field is guarded by one condition.

    Args:
        queue_size: requests that may be in behind the first.
    """

    def __init__(self, queue_size: int) -> None:
        self._queue_size = queue_size
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: set[Job] = set()
        self._seats_taken = 0
        self._mean_seconds = FIRST_GUESS_SECONDS
        self._closed = False

    # -- for request threads -------------------------------------------------------------

    def require_seat(self) -> None:
        """Raise QueueFullError where no seat is free now."""
        with self._changed:
            if self._seats_taken > self._queue_size:
                raise QueueFullError(self._retry_after())

    def take_seat(self) -> Seat:
        """Take one of ``1 + queue_size`` seats, or raise QueueFullError."""
        with self._changed:
            self.require_seat()
            self._seats_taken += 1
        return Seat(self._free_seat)

    def _free_seat(self) -> None:
        with self._changed:
            self._seats_taken -= 1

    def add(self, job: Job) -> bool:
        """Queue a job for the engine; False when nobody will take it any more."""
        with self._changed:
            if self._closed:
                return False
            self._waiting.append(job)
            self._changed.notify_all()
            return True

    def withdraw(self, job: Job) -> bool:
        """Take a job out of the queue; False when it runs or has run."""
        with self._changed:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    def retry_after(self) -> int:
        """Seconds after which a refused caller has a chance."""
        with self._changed:
            return self._retry_after()

    # -- for the engine thread -----------------------------------------------------------

    def next(self) -> Job | None:
        """Wait for a job and count it as running; None once the queue is closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            return job

    def done(self, job: Job, last: JobEvent) -> None:
        """A job has left the engine with its last event, and its seat."""
        if job.seat is not None:
            job.seat.leave()
        with self._changed:
            self._running.discard(job)
            if isinstance(last, Completed):
                self._mean_seconds += 0.2 * (last.inference_seconds - self._mean_seconds)

    # -- for everybody -------------------------------------------------------------------

    def close(self) -> tuple[tuple[Job, ...], tuple[Job, ...]]:
        """Let nobody in any more; returns who was waiting and who was running."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = tuple(self._waiting), deque()
            self._changed.notify_all()
            return waiting, tuple(self._running)

    def running(self) -> tuple[Job, ...]:
        with self._changed:
            return tuple(self._running)

    def counts(self) -> QueueCounts:
        with self._changed:
            return QueueCounts(len(self._waiting), len(self._running), self._queue_size)

    def _retry_after(self) -> int:
        ahead = len(self._waiting) + 1
        return max(1, min(MAX_RETRY_SECONDS, round(self._mean_seconds * ahead / 2)))
