"""How many downloads may run at once: a slow server of clips must hold nothing of the engine's."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class DownloadsFullError(Exception):
    """Too many downloads are running, in all or for this caller.

    Attributes:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many downloads are running")
        self.retry_after = retry_after


class DownloadPlaces:
    """Bounds the downloads of the process; every field is guarded by one lock.

    Args:
        places: downloads at once.
        places_of_caller: of them for one caller.
        retry_after: seconds that a refused caller is told to wait.
    """

    def __init__(self, places: int, places_of_caller: int, retry_after: int) -> None:
        self._places = places
        self._places_of_caller = places_of_caller
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Hold a place for a download; raises DownloadsFullError."""
        with self._lock:
            full = self._taken.total() >= self._places
            if full or self._taken[caller] >= self._places_of_caller:
                raise DownloadsFullError(self._retry_after)
            self._taken[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[caller] -= 1
                if not self._taken[caller]:
                    del self._taken[caller]
