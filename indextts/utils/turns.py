"""One thread at a time does work that several wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """Whoever has the turn works for all; the others look after every turn whether they have what
    they wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._worker: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn; raises RuntimeError where the thread has it already."""
        self._take(lambda: False)
        try:
            yield
        finally:
            self._leave()

    def until(self, done: Callable[[], bool], work: Callable[[], None]) -> None:
        """Return once `done`: by `work` of this thread's or of others'.

        Args:
            done: changes in turns only.
            work: what to do in a turn.
        """
        while self._take(done):
            try:
                work()
            finally:
                self._leave()

    def _take(self, done: Callable[[], bool]) -> bool:
        """Wait for the turn; False where that is not needed any more."""
        me = threading.get_ident()
        with self._changed:
            if self._worker == me:
                raise RuntimeError("the engine cannot be used from its own callbacks")
            while self._worker is not None and not done():
                self._changed.wait()
            if done():
                return False
            self._worker = me
            return True

    def _leave(self) -> None:
        with self._changed:
            self._worker = None
            self._changed.notify_all()
