from __future__ import annotations

import threading

import pytest

from indextts.utils.turns import Turns


class Rounds:
    """Work that counts its rounds; each goes on once it is let go."""

    def __init__(self) -> None:
        self.count = 0
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self) -> None:
        self.begun.release()
        assert self.go.acquire(timeout=20)
        self.count += 1


def in_thread(turns: Turns, rounds: Rounds, until: int) -> threading.Thread:
    thread = threading.Thread(target=lambda: turns.until(lambda: rounds.count >= until))
    thread.start()
    return thread


def test_who_needs_the_turn_has_it_before_the_next_round_of_another() -> None:
    turns, rounds, seen = Turns(), Rounds(), []
    turns.add(rounds)
    driver = in_thread(turns, rounds, until=50)
    assert rounds.begun.acquire(timeout=20)

    def claim() -> None:
        with turns.taken():
            seen.append(rounds.count)

    claimer = threading.Thread(target=claim)
    claimer.start()
    while not turns._claims:  # it waits now, in the middle of the first round
        pass
    for _ in range(50):
        rounds.go.release()
    claimer.join(20)
    driver.join(20)
    assert seen == [1]
    assert rounds.count == 50


def test_an_interrupted_claim_keeps_nobody() -> None:
    turns, rounds = Turns(), Rounds()
    turns.add(rounds)
    driver = in_thread(turns, rounds, until=2)
    assert rounds.begun.acquire(timeout=20)
    wait = turns._changed.wait

    def interrupted(timeout: float | None = None) -> bool:
        turns._changed.wait = wait  # type: ignore[method-assign]
        raise KeyboardInterrupt

    turns._changed.wait = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt), turns.taken():
        raise AssertionError("it was not interrupted")
    assert not turns._claims
    rounds.go.release()
    rounds.go.release()
    driver.join(20)
    assert rounds.count == 2


def test_nobody_has_the_turn_twice() -> None:
    turns = Turns()
    with turns.taken(), pytest.raises(RuntimeError, match="its own callbacks"), turns.taken():
        raise AssertionError("twice")
    with turns.taken(), pytest.raises(RuntimeError, match="its own callbacks"):
        turns.until(lambda: True)
    turns.work()
