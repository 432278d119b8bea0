from __future__ import annotations

from dataclasses import dataclass

from app.gunicorn.restarts import LONGEST_SECONDS, STEADY_SECONDS, Pause, Restarts


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_while_workers_die_young() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    seconds = []
    for _ in range(10):
        pause = restarts.begin(0)
        seconds.append(pause.seconds)
        clock.now += pause.seconds + 5
        restarts.died(0, served=True)
    assert seconds == [0, 0, 1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS]


def test_a_steady_life_makes_up_for_it() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    for _ in range(5):
        restarts.begin(0)
        restarts.died(0, served=True)
    pause = restarts.begin(0)
    clock.now += pause.seconds + STEADY_SECONDS
    restarts.died(0, served=True)
    assert restarts.begin(0) == Pause(0.0, 1, True)


def test_the_pause_itself_is_no_life() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    for _ in range(20):
        clock.now += restarts.begin(0).seconds + STEADY_SECONDS - 1
        restarts.died(0, served=True)
    assert restarts.begin(0).seconds == LONGEST_SECONDS


def test_slots_are_judged_by_themselves_and_by_how_far_a_worker_came() -> None:
    restarts = Restarts(Clock())
    for _ in range(2):
        restarts.begin(0)
        restarts.died(0, served=False)
    assert restarts.begin(0) == Pause(1.0, 2, False)
    assert "2 times" in restarts.begin(0).reason
    assert restarts.begin(1) == Pause()
