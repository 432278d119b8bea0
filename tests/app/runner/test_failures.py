"""Loads that fail, memory that runs out, devices that break, work that is stuck."""

from __future__ import annotations

import threading
import time

import pytest

from app.runner.engine import Engine
from app.runner.errors import (
    EngineLostError,
    NotReadyError,
)
from app.runner.runner import EXIT_FAILED
from app.runner.watchdog import Watchdog
from indextts.errors import ConfigError, ModelFileError
from tests.app.conftest import wait_until
from tests.app.runner.bench import Maker
from tests.app.stand_in_engine import OutOfMemoryError, StandInEngine


def test_a_broken_load_is_remembered_then_the_process_ends(make: Maker) -> None:
    def load(_: str | None) -> Engine:
        raise RuntimeError("CUDA error: /secret/path")

    bench = make(load=load, ready=False)
    wait_until(lambda: bench.recorder.exits == [EXIT_FAILED])
    status = bench.runner.status()
    assert status.status == "failed"
    assert "secret" not in str(status.reason)
    with pytest.raises(NotReadyError):
        bench.speak("a")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelFileError("/secret/path", "is missing."), "missing or damaged"),
        (ConfigError("device: cuda:9 is not there"), "with these settings"),
        (PermissionError("/secret/path"), "the log says why"),
        (ImportError("tn"), "the log says why"),
    ],
)
def test_what_no_restart_heals_is_tried_again_in_the_same_process(
    make: Maker, error: Exception, reason: str
) -> None:
    loads: list[float] = []
    healed = threading.Event()

    def load(_: str | None) -> Engine:
        loads.append(time.monotonic())
        if not healed.is_set():
            raise error
        return StandInEngine("cpu")

    bench = make(load=load, ready=False)
    wait_until(lambda: len(loads) == 3)
    status = bench.runner.status()
    assert (status.status, status.model_loaded) == ("failed", False)
    assert reason in str(status.reason)
    assert "secret" not in str(status.reason)
    assert loads[2] - loads[1] > loads[1] - loads[0] - 0.01 >= 0.04
    healed.set()
    wait_until(lambda: bench.runner.status().status == "healthy")
    assert bench.runner.status().reason is None
    assert bench.speak("a").audio_seconds > 0
    assert bench.recorder.exits == []


def test_a_load_that_cost_lives_waits(make: Maker) -> None:
    bench = make(start=False)
    bench.runner.start(0.3, "It failed before.")
    status = bench.runner.status()
    assert (status.status, status.reason) == ("failed", "It failed before.")
    with pytest.raises(NotReadyError):
        bench.take_seat()
    wait_until(lambda: bench.runner.status().status == "healthy")
    assert bench.runner.status().reason is None
    assert bench.speak("a").audio_seconds > 0


def test_out_of_memory_once_is_retried(make: Maker) -> None:
    bench = make(device="cuda:0")
    assert bench.speak("[oom once]").audio_seconds > 0
    status = bench.runner.status()
    assert (status.facts.device, status.fallback, bench.recorder.ooms) == ("cuda:0", None, 1)


def test_out_of_memory_twice_falls_back_to_the_cpu_and_says_so(make: Maker) -> None:
    bench = make(device="cuda:0")
    assert bench.speak("[oom]").audio_seconds > 0
    status = bench.runner.status()
    assert (status.status, status.facts.device, bench.recorder.ooms) == ("healthy", "cpu", 2)
    assert "ran out of memory" in str(status.fallback)
    assert "loading" in [s.status for s in bench.recorder.statuses[-6:]]


def test_without_the_fallback_the_request_fails_and_the_next_succeeds(make: Maker) -> None:
    bench = make(device="cuda:0", oom_fallback=False)
    with pytest.raises(RuntimeError, match="out of memory"):
        bench.speak("[oom]")
    assert bench.speak("fine").audio_seconds > 0
    assert bench.runner.status().facts.device == "cuda:0"


def test_a_model_that_does_not_fit_is_loaded_for_the_cpu(make: Maker) -> None:
    def load(override: str | None) -> Engine:
        if override is None:
            raise OutOfMemoryError("CUDA out of memory")
        return StandInEngine(override)

    bench = make(load=load)
    assert bench.speak("fine").audio_seconds > 0
    status = bench.runner.status()
    assert (status.status, status.facts.device, bench.recorder.ooms) == ("healthy", "cpu", 1)
    assert "did not fit" in str(status.fallback)
    strict = make(load=load, ready=False, oom_fallback=False)
    wait_until(lambda: strict.recorder.exits == [EXIT_FAILED])


def test_a_fallback_that_cannot_load_ends_the_process(make: Maker) -> None:
    def load(override: str | None) -> Engine:
        if override == "cpu":
            raise MemoryError
        return StandInEngine("cuda:0")

    bench = make(load=load)
    with pytest.raises(EngineLostError):
        bench.speak("[oom]")
    wait_until(lambda: bench.recorder.exits == [EXIT_FAILED])


def test_a_broken_device_fails_everybody_and_ends_the_process(make: Maker) -> None:
    bench = make(load_failure_seconds=0.2)
    first = bench.speak_later("[slow 0.3]")
    wait_until(lambda: bench.runner.status().running)
    poisoned = bench.speak_later("[poison]")
    wait_until(lambda: bench.runner.status().queue_length == 1)
    behind = bench.speak_later("behind")
    wait_until(lambda: bench.runner.status().queue_length == 2)
    assert first.result().audio_seconds > 0
    with pytest.raises(EngineLostError):
        poisoned.result()
    with pytest.raises(NotReadyError):
        behind.result()
    assert bench.runner.status().status == "failed"
    wait_until(lambda: bench.recorder.exits == [EXIT_FAILED])


def test_an_error_in_a_callback_does_not_kill_the_thread(make: Maker) -> None:
    bench = make()

    def broken() -> bool:
        if threading.current_thread().name == "engine":
            raise ZeroDivisionError
        return False

    with pytest.raises(ZeroDivisionError):
        bench.speak("a", gone=broken)
    assert bench.speak("b").audio_seconds > 0


def test_a_stuck_inference_is_seen_given_up_and_ended(make: Maker) -> None:
    bench = make()
    Watchdog(bench.runner, 0.2, 0.3, bench.recorder.exits.append).start()
    stuck = bench.speak_later("[hang 3]")
    waiting = bench.speak_later("waiting")
    wait_until(lambda: bench.runner.status().status == "stuck")
    assert bench.runner.status().model_loaded is False
    with pytest.raises(EngineLostError):
        stuck.result()
    with pytest.raises(NotReadyError):
        waiting.result()
    wait_until(lambda: bench.recorder.exits == [EXIT_FAILED])


def test_a_slow_step_is_forgiven(make: Maker) -> None:
    bench = make()
    Watchdog(bench.runner, 0.2, 60, bench.recorder.exits.append).start()
    slow = bench.speak_later("[hang 0.6]")
    wait_until(lambda: bench.runner.status().status == "stuck")
    assert slow.result().audio_seconds > 0
    wait_until(lambda: bench.runner.status().status == "healthy")
    assert not bench.recorder.exits


def test_memory_that_runs_out_in_the_middle_repeats_nothing(make: Maker) -> None:
    """What the reader has is not sent again, on whatever device the rest is made."""
    bench = make(device="cuda:0")
    outcome = bench.speak("one\n[oom] two\nthree")
    assert [part.text for part in outcome.segments] == ["one", "[oom] two", "three"]
    assert bench.runner.status().facts.device == "cpu"
