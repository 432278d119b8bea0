"""The engine thread: queue, deadlines, jobs that run together."""

from __future__ import annotations

import threading
import time

import pytest

from app.runner.engine import DeadlineExceededError, Engine, SegmentAudio
from app.runner.errors import (
    ClientGoneError,
    EngineLostError,
    NotReadyError,
    QueueFullError,
    QueueTimeoutError,
)
from app.runner.runner import EXIT_FAILED
from indextts.errors import GenerationError
from tests.app.conftest import wait_until
from tests.app.runner.bench import Bench, Later, Maker
from tests.app.stand_in_engine import StandInEngine


def test_it_speaks_and_tells_the_times(make: Maker) -> None:
    bench = make()
    running = bench.speak_later("[slow 1]")
    wait_until(lambda: bench.runner.status().running)
    queued = bench.speak("hello")
    # Wide apart, for a busy machine.
    assert running.result().completed.inference_seconds >= 1.0
    assert queued.completed.queue_seconds > 0.3
    assert queued.completed.inference_seconds < 0.7
    assert queued.audio_seconds > 0


def test_status_follows_loading(make: Maker) -> None:
    loaded = threading.Event()

    def load(_: str | None) -> Engine:
        loaded.wait(10)
        return StandInEngine()

    bench = make(load=load, ready=False)
    status = bench.runner.status()
    assert (status.status, status.model_loaded, status.facts.device) == ("loading", False, None)
    with pytest.raises(NotReadyError):
        bench.take_seat()
    with pytest.raises(NotReadyError):
        bench.speak("a")
    loaded.set()
    wait_until(lambda: bench.runner.status().model_loaded)
    assert bench.runner.status().facts.model_name == "stand-in"


def test_seats_are_bounded_and_come_back(make: Maker) -> None:
    bench = make(queue_size=1)
    first, second = bench.take_seat(), bench.take_seat()
    with pytest.raises(QueueFullError) as caught:
        bench.take_seat()
    assert caught.value.retry_after >= 1
    first.leave()
    first.leave()
    third = bench.take_seat()
    with pytest.raises(QueueFullError):
        bench.take_seat()
    second.leave()
    third.leave()
    assert bench.runner.status().queue_capacity == 1


def test_an_error_of_the_engine_reaches_the_caller_and_nobody_else(make: Maker) -> None:
    bench = make()
    with pytest.raises(GenerationError):
        bench.speak("[fail]")
    assert bench.speak("fine").completed.seed == 1234


def test_a_deadline_stops_the_running_work(make: Maker) -> None:
    bench = make()
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        bench.speak("[slow 20]", seconds=0.2)
    assert time.monotonic() - started < 5


def test_a_deadline_ends_the_wait(make: Maker) -> None:
    bench = make()
    running = bench.speak_later("[slow 1.5]")
    wait_until(lambda: bench.runner.status().running)
    with pytest.raises(QueueTimeoutError):
        bench.speak("late", seconds=0.2)
    assert bench.runner.status().queue_length == 0
    running.result()


def test_a_caller_who_left_the_queue_is_skipped(make: Maker) -> None:
    bench = make()
    running = bench.speak_later("[slow 1]")
    wait_until(lambda: bench.runner.status().running)
    with pytest.raises(ClientGoneError):
        bench.speak("gone", gone=lambda: True)
    running.result()


def test_a_caller_who_left_stops_the_work(make: Maker) -> None:
    bench = make()
    left = threading.Event()
    later = Later(lambda: bench.speak("[slow 20]", gone=left.is_set))
    wait_until(lambda: bench.runner.status().running)
    left.set()
    with pytest.raises(ClientGoneError):
        later.result()


def test_many_callers_get_their_own_results(make: Maker) -> None:
    bench = make(queue_size=64)
    texts = [f"text number {i}" + "x" * i for i in range(24)]
    calls = [bench.speak_later(text) for text in texts]
    spoken = [call.result().segments[0].text for call in calls]
    assert spoken == texts


def test_segments_come_before_the_end(make: Maker) -> None:
    bench = make()
    events = bench.events("first\n[slow 20]")
    first = next(events)
    assert isinstance(first, SegmentAudio)
    assert (first.text, first.count) == ("first", 2)
    assert bench.runner.status().jobs_running == 1
    events.close()
    wait_until(lambda: bench.runner.status().jobs_running == 0)


def test_a_reader_who_goes_while_waiting_leaves_the_queue(make: Maker) -> None:
    bench = make()
    running = bench.events("first\n[slow 20]")
    next(running)
    waiting = Later(lambda: bench.speak("never", seconds=0.3))
    with pytest.raises(QueueTimeoutError):
        waiting.result()
    assert bench.runner.status().queue_length == 0
    running.close()


def together(make: Maker, most: int = 4, device: str = "cuda:0") -> Bench:
    return make(load=lambda override: StandInEngine(override or device, max_batch=most))


def test_jobs_run_together_as_far_as_the_engine_takes_them(make: Maker) -> None:
    bench = together(make, 3)
    calls = [bench.speak_later("[slow 0.5]") for _ in range(5)]
    wait_until(lambda: bench.runner.status().jobs_running == 3)
    assert bench.runner.status().queue_length == 2
    seconds = [call.result().completed.inference_seconds for call in calls]
    assert max(seconds) < 2.0
    assert bench.runner.status().jobs_running == 0


def test_who_comes_later_and_is_short_does_not_wait(make: Maker) -> None:
    bench = together(make)
    left = threading.Event()
    long = Later(lambda: bench.speak("[slow 20]", gone=left.is_set))
    wait_until(lambda: bench.runner.status().running)
    assert bench.speak("short").audio_seconds > 0
    assert bench.runner.status().jobs_running == 1
    left.set()
    with pytest.raises(ClientGoneError):
        long.result()


def test_a_failure_beside_others_is_theirs_alone(make: Maker) -> None:
    bench = together(make)
    others = [bench.speak_later("[slow 0.5]") for _ in range(2)]
    wait_until(lambda: bench.runner.status().jobs_running == 2)
    with pytest.raises(GenerationError):
        bench.speak("[fail]")
    for other in others:
        assert other.result().audio_seconds > 0


def test_the_fallback_repeats_nothing_of_anybody(make: Maker) -> None:
    """All who run go on with the CPU; what their readers have is not sent again."""
    bench = together(make)
    other = bench.speak_later("first\n[slow 0.5]\nlast")
    wait_until(lambda: bench.runner.status().running)
    assert bench.speak("[oom]").audio_seconds > 0
    assert [part.text for part in other.result().segments] == ["first", "[slow 0.5]", "last"]
    assert bench.runner.status().facts.device == "cpu"


def test_a_broken_device_ends_those_beside_it(make: Maker) -> None:
    bench = together(make)
    other = bench.speak_later("[slow 20]")
    wait_until(lambda: bench.runner.status().running)
    with pytest.raises(EngineLostError):
        bench.speak("[poison]")
    with pytest.raises(EngineLostError):
        other.result()
    wait_until(lambda: bench.recorder.exits == [EXIT_FAILED])
