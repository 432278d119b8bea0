"""A runner over the stand-in, and what its callers get."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field

import numpy as np

from app.runner.channel import Completed, Failed, JobEvent
from app.runner.engine import ReferenceAudio, SegmentAudio
from app.runner.engine import SynthesisRequest as Request
from app.runner.job import Seat
from app.runner.runner import InferenceRunner, RunnerPolicy
from app.runner.status import EngineUsage, RunnerStatus

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
