"""Time that tests can turn."""

from __future__ import annotations

import threading
import time


class Clock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds, never going back."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait to be notified, at most so long; the caller holds the condition."""
        condition.wait(seconds)
