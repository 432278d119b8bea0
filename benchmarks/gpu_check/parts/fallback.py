"""Out of memory, through the service's own engine thread.

What passes is tried again on the device; what stays ends on the CPU, which serves the next request.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from app.runner.channel import Completed, Failed
from app.runner.engine import SegmentAudio
from app.runner.runner import InferenceRunner, RunnerPolicy
from app.runner.status import EngineUsage, RunnerStatus
from benchmarks.gpu_check.bench import Bench, engine_of, speech
from benchmarks.gpu_check.rows import Rows
from benchmarks.gpu_check.starvation import PretendLimit, SmallLimit, Starvation
from indextts.request import SynthesisRequest
from indextts.sampling import SamplingOptions

WAIT_SECONDS = 40.0
POLICY = RunnerPolicy(
    queue_size=6, queue_seconds=60.0, oom_fallback=True, load_failure_seconds=10.0
)
# Handles and workspaces of CUDA's libraries stay; weights and caches may not.
LEFT_BEHIND = 32 * 2**20


@dataclass(frozen=True)
class Outcome:
    """A request that was served."""

    segments: tuple[SegmentAudio, ...]
    inference_seconds: float

    @property
    def audio_seconds(self) -> float:
        return sum(part.audio_seconds for part in self.segments)


class Observer:
    """Counts shortages; may end one while it is told about it."""

    def __init__(self) -> None:
        self.shortages = 0
        self.on_shortage: Callable[[], None] | None = None

    def runner_changed(self, status: RunnerStatus, usage: EngineUsage) -> None:
        """Of no interest here."""

    def out_of_memory(self) -> None:
        self.shortages += 1
        if self.on_shortage is not None:
            self.on_shortage()


def run(rows: Rows, bench: Bench) -> None:
    starvation: Starvation = SmallLimit(bench.device) if bench.cuda else PretendLimit()
    observer, exits = Observer(), list[int]()

    def load(device: str | None) -> Any:
        if device is not None:
            return engine_of(bench.small(torch.device(device)))
        return starvation.engine(engine_of(bench.small(bench.device, bench.daily)))

    runner = InferenceRunner(load, POLICY, exits.append, observer)
    runner.start()
    _wait(lambda: runner.status().status != "loading")
    with rows.guard("without a shortage"):
        first = _ask(runner, bench)
        rows.check("without a shortage", runner.status().status == "healthy", _seconds(first))
        _passing(rows, bench, runner, observer, starvation, first)
    with rows.guard("a shortage that stays"):
        _lasting(rows, bench, runner, observer, starvation)
    starvation.end()
    rows.check("the worker lives", not exits, f"exit asked for: {exits}" if exits else "")


def _ask(runner: InferenceRunner, bench: Bench) -> Outcome:
    """Three segments at once: more than what is left between the blocks of a full device."""
    request = SynthesisRequest(
        "one two three four five\n" * 3,
        speech(1, 2.0),
        seed=1,
        sampling=SamplingOptions(max_mel_tokens=bench.pick(200, 12)),
    )
    deadline = time.monotonic() + WAIT_SECONDS
    segments: list[SegmentAudio] = []
    for event in runner.events(request, deadline=deadline, client_gone=lambda: False):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Completed):
            return Outcome(tuple(segments), event.inference_seconds)
        if isinstance(event, SegmentAudio):
            segments.append(event)
    raise RuntimeError("the request has no end")


def _passing(
    rows: Rows,
    bench: Bench,
    runner: InferenceRunner,
    observer: Observer,
    starvation: Starvation,
    expected: Outcome,
) -> None:
    """Memory comes back before the second try."""
    name = "a shortage that passes"
    observer.on_shortage = starvation.end
    starvation.begin()
    outcome = _ask(runner, bench)
    observer.on_shortage = None
    device = str(runner.status().facts.device)
    rows.check(f"{name}: seen", observer.shortages == 1, f"{observer.shortages} times")
    rows.check(f"{name}: served by the device", device.startswith("cuda"), device)
    codes = [[segment.codes.tolist() for segment in run.segments] for run in (outcome, expected)]
    rows.check(f"{name}: the same codes", codes[0] == codes[1])


def _lasting(
    rows: Rows,
    bench: Bench,
    runner: InferenceRunner,
    observer: Observer,
    starvation: Starvation,
) -> None:
    """Both tries fail; the model moves to the CPU and answers the same request."""
    name = "a shortage that stays"
    observer.shortages = 0
    starvation.begin()
    outcome = _ask(runner, bench)
    status = runner.status()
    rows.check(f"{name}: two tries", observer.shortages == 2, f"{observer.shortages} shortages")
    rows.check(f"{name}: the CPU answers", status.facts.device == "cpu", _seconds(outcome))
    rows.check(f"{name}: it says so", bool(status.fallback), status.fallback or "")
    gc.collect()
    left = starvation.left_behind()
    rows.check(f"{name}: device freed", left <= LEFT_BEHIND, "left on it", left / 2**20, "MiB")
    again = _ask(runner, bench)
    rows.check(f"{name}: the next request", again.audio_seconds > 0, _seconds(again))


def _seconds(outcome: Outcome) -> str:
    return f"{outcome.audio_seconds:.1f} s of audio in {outcome.inference_seconds:.2f} s"


def _wait(ready: Callable[[], bool]) -> None:
    """Until `ready`, at most :data:`WAIT_SECONDS`."""
    pause, end = threading.Event(), time.monotonic() + WAIT_SECONDS
    while not ready() and time.monotonic() < end:
        pause.wait(0.05)
