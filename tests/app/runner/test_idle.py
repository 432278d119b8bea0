"""A model that nobody needs is unloaded, and comes back for the next request."""

from __future__ import annotations

import dataclasses
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from app.runner.clock import Clock
from app.runner.engine import Engine
from app.runner.engine import SynthesisRequest as Request
from app.runner.errors import NotReadyError
from app.runner.idle import IdlePolicy
from app.runner.runner import EXIT_FAILED, InferenceRunner
from indextts.errors import ModelFileError
from tests.app.conftest import wait_until
from tests.app.runner.bench import POLICY, VOICE, Later, Outcome, Recorder
from tests.app.stand_in_engine import OutOfMemoryError, StandInEngine

IDLE = 600.0
WORK = 25.0


class TurnedClock(Clock):
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: set[threading.Condition] = set()
        self.sleeping_until: float | None = None

    def now(self) -> float:
        return self._now

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        self._sleepers.add(condition)
        self.sleeping_until = None if seconds is None else self._now + seconds
        condition.wait()

    def turn(self, seconds: float) -> None:
        for condition in self._sleepers:
            with condition:
                self._now += seconds
                condition.notify_all()


@dataclass
class Loads:
    """Builds engines, of which it only remembers whether they live."""

    device: str = "cuda:0"
    engines: list[weakref.ref[Engine]] = field(default_factory=list)
    may_load: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __call__(self, override: str | None) -> Engine:
        assert self.may_load.wait(10)
        if self.error is not None and override is None:
            raise self.error
        engine = StandInEngine(override or self.device)
        self.engines.append(weakref.ref(engine))
        return engine

    @property
    def alive(self) -> int:
        return sum(engine() is not None for engine in self.engines)


class Bench:
    """A runner that is asleep, or about to be."""

    def __init__(self, *, refuses: bool = False, seconds: float | None = IDLE) -> None:
        self.clock, self.loads, self.recorder = TurnedClock(), Loads(), Recorder()
        self.loads.may_load.set()
        policy = dataclasses.replace(POLICY, idle=IdlePolicy(seconds, refuses))
        exits = self.recorder.exits.append
        self.runner = InferenceRunner(self.loads, policy, exits, self.recorder, self.clock)
        self.runner.start()
        wait_until(lambda: self.runner.status().model_loaded)

    def waits_for_work(self) -> bool:
        return self.clock.sleeping_until == self.clock.now() + IDLE

    def asleep(self) -> bool:
        return self.clock.sleeping_until is None

    def fall_asleep(self) -> None:
        wait_until(self.waits_for_work)
        self.clock.turn(IDLE)
        wait_until(self.asleep)

    def wake(self) -> None:
        """Have a model, whatever the state is."""
        with suppress(NotReadyError):
            self.runner.require_seat(WORK, time.monotonic() + 30.0)
        wait_until(lambda: self.runner.status().model_loaded)

    def ask(self, seconds: float = 30.0) -> Outcome:
        """As the speech service does."""
        deadline = time.monotonic() + seconds
        self.runner.require_seat(WORK, deadline)
        seat = self.runner.take_seat(WORK, deadline)
        request = Request("hello", VOICE)
        return Outcome.of(
            self.runner.events(request, deadline=deadline, client_gone=lambda: False, seat=seat)
        )

    def ask_later(self, seconds: float = 30.0) -> Later:
        return Later(lambda: self.ask(seconds))


def test_without_the_setting_it_waits_for_ever() -> None:
    bench = Bench(seconds=None)
    wait_until(lambda: len(bench.clock._sleepers) == 1)
    bench.clock.turn(1e9)
    assert bench.asleep()
    assert bench.ask().audio_seconds > 0
    assert len(bench.loads.engines) == bench.loads.alive == 1


def test_a_model_that_nobody_needs_is_freed_and_health_says_so() -> None:
    bench = Bench()
    assert bench.loads.alive == 1
    bench.fall_asleep()
    assert bench.loads.alive == 0
    status = bench.runner.status()
    assert (status.status, status.model_loaded, status.idle_unloaded) == ("healthy", False, True)
    assert (status.reason, status.facts.model_name) == (None, "stand-in")
    assert bench.recorder.statuses[-1].idle_unloaded


def test_a_request_brings_it_back_and_waits_for_it() -> None:
    bench = Bench()
    bench.fall_asleep()
    bench.loads.may_load.clear()
    waiting = [bench.ask_later() for _ in range(3)]
    wait_until(lambda: bench.runner.status().queue_length == 3)
    status = bench.runner.status()
    assert (status.status, status.model_loaded, status.running) == ("healthy", False, False)
    bench.loads.may_load.set()
    outcomes = [later.result() for later in waiting]
    assert all(outcome.audio_seconds > 0 for outcome in outcomes)
    assert len(bench.loads.engines) == 2
    status = bench.runner.status()
    assert (status.status, status.model_loaded, status.idle_unloaded) == ("healthy", True, False)


def test_it_can_go_and_come_again_and_again() -> None:
    bench = Bench()
    for times in range(1, 4):
        bench.fall_asleep()
        assert bench.loads.alive == 0
        assert bench.ask().audio_seconds > 0
        assert len(bench.loads.engines) == times + 1


def test_work_begins_the_wait_anew() -> None:
    bench = Bench()
    wait_until(bench.waits_for_work)
    bench.clock.turn(IDLE - 1)
    bench.ask()
    wait_until(bench.waits_for_work)
    # So does a request whose clips are still being fetched.
    bench.clock.turn(IDLE - 1)
    bench.runner.require_seat(WORK, time.monotonic() + 30.0)
    wait_until(bench.waits_for_work)
    assert bench.loads.alive == len(bench.loads.engines) == 1


def test_the_load_begins_while_the_clips_are_fetched_and_is_no_commitment() -> None:
    bench = Bench()
    bench.fall_asleep()
    bench.runner.require_seat(WORK, time.monotonic() + 30.0)
    wait_until(lambda: bench.runner.status().model_loaded)
    bench.fall_asleep()  # the download failed: there was no job
    assert bench.loads.alive == 0


def test_who_cannot_wait_so_long_is_told_that_it_loads() -> None:
    bench = Bench()
    bench.fall_asleep()
    bench.loads.may_load.clear()
    with pytest.raises(NotReadyError) as caught:
        bench.ask(seconds=0.1)
    assert caught.value.status == "loading"
    bench.loads.may_load.set()
    assert bench.ask().audio_seconds > 0


def test_requests_may_be_refused_while_it_loads() -> None:
    bench = Bench(refuses=True)
    bench.fall_asleep()
    # A load balancer must go on sending requests, or none would ever bring it back.
    assert bench.runner.status().status == "healthy"
    bench.loads.may_load.clear()
    for _ in range(2):
        with pytest.raises(NotReadyError) as caught:
            bench.ask()
        assert (caught.value.status, caught.value.retry_after) == ("loading", 1)
    wait_until(lambda: bench.runner.status().status == "loading")
    assert bench.runner.status().idle_unloaded
    bench.loads.may_load.set()
    wait_until(lambda: bench.runner.status().model_loaded)
    assert bench.ask().audio_seconds > 0
    bench.fall_asleep()
    assert (bench.loads.alive, len(bench.loads.engines)) == (0, 2)


def test_a_file_that_is_gone_meanwhile_fails_who_waits_and_is_looked_for_again() -> None:
    bench = Bench()
    bench.fall_asleep()
    bench.loads.error = ModelFileError("/secret/path", "is missing.")
    with pytest.raises(NotReadyError) as caught:
        bench.ask()
    assert caught.value.status == "failed"
    status = bench.runner.status()
    assert (status.status, status.idle_unloaded) == ("failed", False)
    with pytest.raises(NotReadyError):
        bench.ask()
    bench.loads.error = None
    wait_until(lambda: bench.runner.status().model_loaded)
    assert bench.ask().audio_seconds > 0
    assert bench.recorder.exits == []


def test_a_device_that_is_gone_meanwhile_ends_the_process() -> None:
    bench = Bench()
    bench.fall_asleep()
    bench.loads.error = RuntimeError("CUDA error: device lost")
    with pytest.raises(NotReadyError):
        bench.ask()
    wait_until(lambda: bench.recorder.exits == [EXIT_FAILED])


def test_memory_that_others_took_meanwhile_means_the_cpu_until_it_has_slept_again() -> None:
    bench = Bench()
    bench.fall_asleep()
    bench.loads.error = OutOfMemoryError("CUDA out of memory")
    assert bench.ask().audio_seconds > 0
    status = bench.runner.status()
    assert (status.facts.device, status.fallback is None) == ("cpu", False)
    bench.loads.error = None
    bench.fall_asleep()
    assert bench.ask().audio_seconds > 0
    status = bench.runner.status()
    assert (status.facts.device, status.fallback) == ("cuda:0", None)


@pytest.mark.parametrize("refuses", [False, True])
def test_whoever_comes_at_the_very_moment_is_spoken_to_or_refused(refuses: bool) -> None:
    """Callers and the clock race; nobody gets anything but sound or a 503, and nothing hangs."""
    bench = Bench(refuses=refuses)
    spoken: list[float] = []
    refused: list[NotReadyError] = []

    def ask(barrier: threading.Barrier) -> None:
        barrier.wait()
        try:
            spoken.append(bench.ask().audio_seconds)
        except NotReadyError as error:
            refused.append(error)

    for _ in range(20):
        wait_until(bench.waits_for_work)
        barrier = threading.Barrier(3)
        callers = [threading.Thread(target=ask, args=(barrier,), daemon=True) for _ in range(2)]
        for caller in callers:
            caller.start()
        barrier.wait()
        bench.clock.turn(IDLE)
        for caller in callers:
            caller.join(10)
            assert not caller.is_alive()
        bench.wake()
    assert len(spoken) + len(refused) == 40
    assert all(seconds > 0 for seconds in spoken)
    assert {error.status for error in refused} <= ({"loading"} if refuses else set())
    assert bench.loads.alive == 1
