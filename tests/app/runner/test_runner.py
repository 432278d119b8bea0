"""The engine thread: queue, deadlines, failures, memory."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest

from app.runner.channel import Completed, EventChannel, Failed, JobEvent
from app.runner.engine import DeadlineExceededError, Engine, ReferenceAudio, SegmentAudio
from app.runner.engine import SynthesisRequest as Request
from app.runner.errors import (
    ClientGoneError,
    EngineLostError,
    NotReadyError,
    QueueFullError,
    QueueTimeoutError,
    ReaderTooSlowError,
)
from app.runner.job import Seat
from app.runner.runner import EXIT_FAILED, InferenceRunner, RunnerPolicy
from app.runner.status import EngineUsage, RunnerStatus
from app.runner.watchdog import Watchdog
from indextts.errors import ConfigError, GenerationError, ModelFileError
from tests.app.conftest import wait_until
from tests.app.stand_in_engine import OutOfMemoryError, StandInEngine

POLICY = RunnerPolicy(
    queue_size=6, queue_seconds=60.0, oom_fallback=True, load_failure_seconds=0.05
)
VOICE = ReferenceAudio(np.zeros(16000, dtype=np.float32), 16000)


@dataclass
class Recorder:
    """An observer that remembers, and the exit codes."""

    statuses: list[RunnerStatus] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    ooms: int = 0

    def runner_changed(self, status: RunnerStatus, usage: EngineUsage) -> None:
        self.statuses.append(status)

    def out_of_memory(self) -> None:
        self.ooms += 1


@dataclass
class Outcome:
    """All events of a request."""

    segments: list[SegmentAudio]
    completed: Completed

    @classmethod
    def of(cls, events: Iterable[JobEvent]) -> Outcome:
        """Take them all; raises what the request failed with."""
        segments: list[SegmentAudio] = []
        for event in events:
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Completed):
                return cls(segments, event)
            segments.append(event)
        raise AssertionError("the events have no end")

    @property
    def audio_seconds(self) -> float:
        return sum(len(part.waveform) / part.sample_rate for part in self.segments)


@dataclass
class Bench:
    runner: InferenceRunner
    recorder: Recorder

    def speak(
        self,
        text: str,
        seconds: float = 30.0,
        gone: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        return Outcome.of(self.events(text, seconds, gone))

    def events(
        self, text: str, seconds: float = 30.0, gone: Callable[[], bool] = lambda: False
    ) -> Generator[JobEvent, None, None]:
        deadline = time.monotonic() + seconds
        return self.runner.events(Request(text, VOICE), deadline=deadline, client_gone=gone)

    def speak_later(self, text: str, seconds: float = 30.0) -> Later:
        return Later(lambda: self.speak(text, seconds))

    def take_seat(self) -> Seat:
        return self.runner.take_seat(21.0, time.monotonic() + 30.0)


class Later:
    """A call in a thread."""

    def __init__(self, call: Callable[[], Outcome]) -> None:
        self._call = call
        self._outcome: Outcome | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = self._call()
        except Exception as error:
            self._error = error

    def result(self) -> Outcome:
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome


Maker = Callable[..., Bench]


@pytest.fixture
def make() -> Maker:
    def build(
        device: str = "cpu",
        load: Callable[[str | None], Engine] | None = None,
        ready: bool = True,
        start: bool = True,
        **policy: object,
    ) -> Bench:
        recorder = Recorder()
        runner = InferenceRunner(
            load or (lambda override: StandInEngine(override or device)),
            dataclasses.replace(POLICY, **policy),  # type: ignore[arg-type]
            recorder.exits.append,
            recorder,
        )
        if start:
            runner.start()
        if ready and start:
            wait_until(lambda: runner.status().status == "healthy")
        return Bench(runner, recorder)

    return build


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


def test_memory_that_runs_out_in_the_middle_repeats_nothing(make: Maker) -> None:
    """What the reader has is not sent again, on whatever device the rest is made."""
    bench = make(device="cuda:0")
    outcome = bench.speak("one\n[oom] two\nthree")
    assert [part.text for part in outcome.segments] == ["one", "[oom] two", "three"]
    assert bench.runner.status().facts.device == "cpu"


def segment(samples: int) -> SegmentAudio:
    wave = np.zeros(samples, dtype=np.float32)
    return SegmentAudio(0, 1, "", 0, np.zeros(0, dtype=np.int64), wave, 22050, 0, False)


def test_a_channel_is_bounded_and_never_waits() -> None:
    channel = EventChannel(max_bytes=400)
    channel.put(segment(60))
    with pytest.raises(ReaderTooSlowError):
        channel.put(segment(60))
    assert isinstance(channel.next(0), SegmentAudio)
    channel.put(segment(100))
    failed = Failed(ReaderTooSlowError())
    channel.put(failed)
    channel.put(Failed(EngineLostError("the watchdog came late")))
    assert isinstance(channel.next(0), SegmentAudio)
    assert channel.next(0) is failed
    assert channel.next(0) is None


def test_a_closed_channel_keeps_nothing() -> None:
    channel = EventChannel(max_bytes=400)
    channel.put(segment(10))
    channel.close()
    channel.put(segment(90))
    assert channel.closed
    assert channel.next(0) is None


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
