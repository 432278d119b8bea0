"""Work on single segments, done at once or beside the decode in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from indextts.stages.member import Member


@dataclass(frozen=True, eq=False)
class Piece:
    """A bounded piece of work on members that nothing else touches meanwhile.

    Attributes:
        members: whom it is about.
        work: the computation; in any thread.
        then: takes its result in; in the scheduler's thread.
        failed: takes its error in, likewise.
    """

    members: tuple[Member, ...]
    work: Callable[[], None]
    then: Callable[[], None]
    failed: Callable[[Exception], None]

    def run(self) -> None:
        """Do it here and now."""
        try:
            self.work()
        except Exception as error:
            self.failed(error)
        else:
            self.then()


class Beside:
    """One piece at a time, done beside what the caller does.

    Args:
        threads: that torch works with there; None: as many as everywhere.
    """

    def __init__(self, threads: int | None) -> None:
        self._pool = ThreadPoolExecutor(1, "beside", _work_with, (threads,))
        self._begun: tuple[Piece, Future[None]] | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        """Whom nobody may touch now."""
        return () if self._begun is None else self._begun[0].members

    @property
    def free(self) -> bool:
        return self._begun is None

    @property
    def done(self) -> bool:
        """Whether :meth:`settle` need not wait."""
        return self._begun is None or self._begun[1].done()

    def start(self, piece: Piece) -> None:
        """Let it be done; only while free."""
        assert self._begun is None
        self._begun = piece, self._pool.submit(_infer, piece.work)

    def settle(self) -> None:
        """Wait for the piece, if there is one, and take it in."""
        if self._begun is None:
            return
        piece, future = self._begun
        error = future.exception()
        self._begun = None
        if error is None:
            piece.then()
        elif isinstance(error, Exception):
            piece.failed(error)
        else:
            raise error


def _work_with(threads: int | None) -> None:
    # Asked first: a thread's first question sets it to the number of the process.
    torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)


@torch.inference_mode()
def _infer(work: Callable[[], None]) -> None:
    work()
