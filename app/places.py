"""How much of something may go on at once, in all and for one caller."""

from __future__ import annotations

import threading
from collections import Counter


class PlacesFullError(Exception):
    """Every place is taken, or every one that this caller may have.

    Attributes:
        what: the places are for, e.g. "downloads".
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, what: str, retry_after: int) -> None:
        super().__init__(f"too many {what}")
        self.what = what
        self.retry_after = retry_after


class Places:
    """Counts who holds a place; every field is guarded by one lock.

    Args:
        what: the places are for.
        places: in all.
        places_of_caller: of them for one caller.
        retry_after: seconds that a refused caller is told to wait.
    """

    def __init__(self, what: str, places: int, places_of_caller: int, retry_after: int) -> None:
        self._what = what
        self._places = places
        self._places_of_caller = places_of_caller
        self._retry_after = retry_after
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, caller: str) -> Place:
        """Take a place; raises PlacesFullError."""
        with self._lock:
            full = self._taken.total() >= self._places
            if full or self._taken[caller] >= self._places_of_caller:
                raise PlacesFullError(self._what, self._retry_after)
            self._taken[caller] += 1
        return Place(self, caller)

    def free(self, caller: str) -> None:
        """Count a place of a caller as free again."""
        with self._lock:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]


class Place:
    """A taken place; a context manager.  Belongs to one thread."""

    def __init__(self, places: Places, caller: str) -> None:
        self._places = places
        self._caller = caller
        self._taken = True

    def leave(self) -> None:
        """Free the place; harmless twice."""
        if self._taken:
            self._taken = False
            self._places.free(self._caller)

    def __enter__(self) -> None:
        """It is taken already."""

    def __exit__(self, *_: object) -> None:
        self.leave()
