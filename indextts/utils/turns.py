"""One thread at a time does work that several wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """Whoever has the turn works for all; the others look after every turn whether they have what
    they wait for.  A thread that needs the turn itself gets it before the next one of the others.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._worker: int | None = None
        self._claims = 0
        self._works: list[Callable[[], None]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Let `work` be done in every turn from now on."""
        self._works.append(work)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn; raises RuntimeError where the thread has it already."""
        self._claim()
        try:
            yield
        finally:
            self._leave()

    def work(self) -> None:
        """One turn."""
        with self.taken():
            self._work()

    def until(self, done: Callable[[], bool]) -> None:
        """Return once `done`, which changes in turns only: by turns of this thread's or others'."""
        while self._take(done):
            try:
                self._work()
            finally:
                self._leave()

    def _work(self) -> None:
        for work in tuple(self._works):
            work()

    def _claim(self) -> None:
        """Wait for the turn."""
        with self._changed:
            me = self._other_than_worker()
            self._claims += 1
            try:
                while self._worker is not None:
                    self._changed.wait()
                self._worker = me
            finally:
                self._claims -= 1
                # Where the wait was interrupted, somebody else can go on.
                self._changed.notify_all()

    def _take(self, done: Callable[[], bool]) -> bool:
        """Wait for a turn that nobody else claims; False where that is not needed any more."""
        with self._changed:
            me = self._other_than_worker()
            while (self._worker is not None or self._claims) and not done():
                self._changed.wait()
            if done():
                return False
            self._worker = me
            return True

    def _other_than_worker(self) -> int:
        me = threading.get_ident()
        if self._worker == me:
            raise RuntimeError("the engine cannot be used from its own callbacks")
        return me

    def _leave(self) -> None:
        with self._changed:
            self._worker = None
            self._changed.notify_all()
