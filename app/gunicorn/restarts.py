"""Pauses between the restarts of a worker that dies again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_SECONDS = 60.0
# A worker that lived for this long was well; its death says nothing about the next one.
STEADY_SECONDS = 300.0


@dataclass(frozen=True)
class Pause:
    """What a new worker does before its work.

    Attributes:
        seconds: how long; 0 for most workers.
        failures: workers that died young in this slot, one after the other.
        serving: the worker answers meanwhile and only the model waits, since the one before died
            while it served.  One that died before that had better not be asked anything yet.
    """

    seconds: float = 0.0
    failures: int = 0
    serving: bool = True

    @property
    def reason(self) -> str:
        """Why nothing can be spoken now, for strangers."""
        return f"The worker failed {self.failures} times in a row; the model waits before it loads."


class Restarts:
    """Counts the deaths in each slot; belongs to the master.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._born: dict[int, float] = {}
        self._pauses: dict[int, Pause] = {}

    def begin(self, slot: int) -> Pause:
        """A worker is about to start in `slot`; what it is to wait for."""
        pause = self._pauses.get(slot, Pause())
        self._born[slot] = self._clock() + pause.seconds
        return pause

    def died(self, slot: int, *, served: bool) -> None:
        """A worker that nobody had told to end is gone.

        Args:
            slot: where it was.
            served: whether it had come so far that it answered requests.
        """
        steady = self._clock() - self._born.get(slot, 0.0) >= STEADY_SECONDS
        failures = 1 if steady else self._pauses.get(slot, Pause()).failures + 1
        # One death may be anything; from the second one on, the pauses double.
        seconds = 0.0 if failures == 1 else min(LONGEST_SECONDS, 2.0 ** min(failures - 2, 16))
        self._pauses[slot] = Pause(seconds, failures, served)
