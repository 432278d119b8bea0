"""Work that is done at once or beside, and how its end is taken in."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch

from indextts.pieces import Beside, Piece
from indextts.utils.cpu_threads import cpu_threads


class Told:
    """What a piece has told, and in which thread it was done."""

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.events: list[object] = []
        self.thread: int | None = None
        self._work = work
        self.piece = Piece((), self.work, lambda: self.events.append("then"), self.events.append)

    def work(self) -> None:
        self.thread = threading.get_ident()
        self._work()


def failing(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_here_and_now() -> None:
    error = ArithmeticError()
    well, ill = Told(), Told(failing(error))
    well.piece.run()
    ill.piece.run()
    assert (well.events, ill.events) == (["then"], [error])
    assert well.thread == threading.get_ident()


def test_beside() -> None:
    beside, go = Beside(1), threading.Event()
    told = Told(go.wait)
    beside.start(told.piece)
    assert (beside.free, beside.done, told.events) == (False, False, [])
    go.set()
    beside.settle()
    assert (beside.free, beside.done, told.events) == (True, True, ["then"])
    assert told.thread != threading.get_ident()
    beside.settle()
    assert told.events == ["then"]


def test_a_failure_beside_is_told_here() -> None:
    error, beside = ArithmeticError(), Beside(1)
    told = Told(failing(error))
    beside.start(told.piece)
    beside.settle()
    assert (told.events, beside.free) == ([error], True)


def test_an_interruption_beside_interrupts_here() -> None:
    beside = Beside(1)
    told = Told(failing(KeyboardInterrupt()))
    beside.start(told.piece)
    with pytest.raises(KeyboardInterrupt):
        beside.settle()
    assert (told.events, beside.free) == ([], True)


def test_threads_and_inference_mode_beside() -> None:
    found: list[object] = []
    told = Told(lambda: found.extend((torch.get_num_threads(), torch.is_inference_mode_enabled())))
    before = torch.get_num_threads()
    beside = Beside(3)
    beside.start(told.piece)
    beside.settle()
    assert found == [3, True]
    assert (torch.get_num_threads(), torch.is_inference_mode_enabled()) == (before, False)


def test_threads_for_a_while() -> None:
    before = torch.get_num_threads()
    found: list[int] = []

    def fail() -> None:
        with cpu_threads(before + 1):
            found.append(torch.get_num_threads())
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert found == [before + 1]
    assert torch.get_num_threads() == before
    with cpu_threads(None):
        assert torch.get_num_threads() == before
