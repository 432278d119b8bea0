"""Who may come in, who waits, who runs: the bounded queue before the engine."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.runner.channel import Completed, JobEvent
from app.runner.clock import Clock
from app.runner.errors import QueueFullError, QueueTimeoutError
from app.runner.job import Job, Seat
from app.runner.work import Pace, Throughput

MAX_RETRY_SECONDS = 120


@dataclass(frozen=True)
class QueueCounts:
    """A snapshot of the queue; `wait_seconds` is what a new request would about wait."""

    waiting: int
    running: int
    capacity: int
    wait_seconds: float


class Admission:
    """Seats, the waiting jobs and the running ones; every field is guarded by one condition.

    A burst is no failure: who can be served in good time may wait.  Who cannot is told at once.

    Args:
        queue_size: requests that may be in behind the first.
        queue_seconds: longest wait that a request is let in for.
        clock: by which it waits and measures.
        room: how many jobs the engine works on at once.
    """

    def __init__(
        self,
        queue_size: int,
        queue_seconds: float,
        clock: Clock | None = None,
        room: Callable[[], int] = lambda: 1,
    ) -> None:
        self._queue_size = queue_size
        self._queue_seconds = queue_seconds
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: set[Job] = set()
        # The work of every seat, in the order in which they were taken.
        self._seats: dict[object, float] = {}
        self._room = room
        self._pace = Pace()
        self._throughput = Throughput()
        self._busy_since: float | None = None
        self._closed = False
        self._clock = clock or Clock()
        self._called = False

    # -- for request threads -------------------------------------------------------------

    def require_seat(self, work: float, deadline: float) -> None:
        """Raise what :meth:`take_seat` would raise now, and take nothing."""
        with self._changed:
            if not self._seats:
                return
            if len(self._seats) > self._queue_size or self._wait_seconds() > self._queue_seconds:
                raise QueueFullError(self._retry_after())
            needed = self._seconds_for(self._seats.values()) + self._pace.value * work
            if self._clock.now() + needed > deadline:
                raise QueueTimeoutError(self._retry_after())

    def call(self) -> None:
        """Say that work is on its way, before there is a job."""
        with self._changed:
            self._called = True
            self._changed.notify_all()

    def take_seat(self, work: float, deadline: float) -> Seat:
        """Take one of ``1 + queue_size`` seats.

        Args:
            work: that comes with it (:func:`app.runner.work.work_of`).
            deadline: by the clock, at which it must have been spoken.

        Raises:
            QueueFullError: all seats are taken, or the wait would be too long.
            QueueTimeoutError: there is a seat, but it would not be the caller's turn in time.
        """
        with self._changed:
            self.require_seat(work, deadline)
            seat = object()
            self._seats[seat] = work
        return Seat(lambda: self._free_seat(seat))

    def _free_seat(self, seat: object) -> None:
        with self._changed:
            del self._seats[seat]

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

    def wait(self, seconds: float | None) -> bool:
        """Wait until a job waits, somebody calls or the queue is closed.

        Args:
            seconds: to wait at most; None: however long it takes.

        Returns:
            False when the time has passed.
        """
        with self._changed:
            end = None if seconds is None else self._clock.now() + seconds
            while not (self._called or self._waiting or self._closed):
                left = None if end is None else end - self._clock.now()
                if left is not None and left <= 0:
                    return False
                self._clock.wait(self._changed, left)
            self._called = False
            return True

    def has_work(self) -> bool:
        """Whether a job waits, or none will any more."""
        with self._changed:
            return bool(self._waiting) or self._closed

    def next(self) -> Job | None:
        """Take the next job, and count it as running; None when nobody waits now."""
        with self._changed:
            if not self._waiting:
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            if self._busy_since is None:
                self._busy_since = self._clock.now()
            return job

    def done(self, job: Job, last: JobEvent) -> None:
        """A job has left the engine with its last event, and its seat."""
        if job.seat is not None:
            job.seat.leave()
        now = self._clock.now()
        with self._changed:
            self._running.discard(job)
            if isinstance(last, Completed):
                # Busy time rather than the job's own: it holds however many run at once.
                busy = now - (self._busy_since or now)
                self._pace.add(busy, job.work)
                self._throughput.add(busy, last.audio_seconds)
            self._busy_since = now if self._running else None

    # -- for everybody -------------------------------------------------------------------

    def clear(self) -> tuple[Job, ...]:
        """Take all jobs out of the queue, for somebody else to answer them."""
        with self._changed:
            waiting, self._waiting = tuple(self._waiting), deque()
            return waiting

    def close(self) -> tuple[tuple[Job, ...], tuple[Job, ...]]:
        """Let nobody in any more; returns who was waiting and who was running."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self.clear(), tuple(self._running)

    @property
    def closed(self) -> bool:
        with self._changed:
            return self._closed

    def running(self) -> tuple[Job, ...]:
        with self._changed:
            return tuple(self._running)

    def throughput(self) -> float:
        """Seconds of sound that the engine makes in a second, of late."""
        with self._changed:
            return self._throughput.value

    def counts(self) -> QueueCounts:
        with self._changed:
            return QueueCounts(
                len(self._waiting), len(self._running), self._queue_size, self._wait_seconds()
            )

    def _wait_seconds(self) -> float:
        """About how long it takes until the engine has room for another job.

        The first jobs end first: each gets a like share of the steps.
        """
        works = tuple(self._seats.values())
        return self._seconds_for(works[: max(0, len(works) - self._room() + 1)])

    def _seconds_for(self, works: Iterable[float]) -> float:
        """About how long the engine needs for the first of those who have a seat."""
        pace = self._pace.value
        begun = sum(job.work for job in self._running)
        spent = 0.0 if self._busy_since is None else self._clock.now() - self._busy_since
        return max(0.0, pace * sum(works) - min(spent, pace * begun))

    def _retry_after(self) -> int:
        return max(1, min(MAX_RETRY_SECONDS, round(self._wait_seconds() / 2)))
