"""The state of the model, and what the runner tells others about itself."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import Literal, Protocol

from app.runner.engine import Engine, ModelFacts, WorkStats, device_memory
from app.runner.errors import NotReadyError

Status = Literal["healthy", "loading", "failed", "stuck"]
STATUSES: tuple[Status, ...] = ("healthy", "loading", "failed", "stuck")
LOADING_RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 120


@dataclass(frozen=True)
class RunnerStatus:
    """A snapshot; every text in it is fit for strangers.

    Attributes:
        model_loaded: whether there is a model, and it works.
        idle_unloaded: there is none because nobody needed it; the next request brings it back.
        reason: why the status is not healthy.
        fallback: what the service had to give up to go on.
        queue_length: requests waiting for the engine.
        expected_wait: seconds that a new request would about wait until it is begun.
        jobs_running: requests that the engine works on.
        uptime: seconds since the worker started.
        facts: about the model that is loaded, or was before it was unloaded.
    """

    status: Status
    model_loaded: bool
    idle_unloaded: bool
    reason: str | None
    fallback: str | None
    queue_length: int
    queue_capacity: int
    expected_wait: float
    jobs_running: int
    uptime: float
    facts: ModelFacts

    @property
    def running(self) -> bool:
        """Whether the engine works."""
        return self.jobs_running > 0


@dataclass(frozen=True)
class EngineUsage:
    """Resources and cache counters of the engine, since the start."""

    cache_hits: int = 0
    cache_misses: int = 0
    cache_bytes: int = 0
    cache_entries: int = 0
    device_bytes: int = 0
    work: WorkStats = field(default_factory=WorkStats)

    @classmethod
    def of(cls, engine: Engine) -> EngineUsage:
        stats = engine.cache_stats()
        return cls(
            stats.hits,
            stats.misses,
            stats.bytes,
            stats.entries,
            device_memory(engine.facts.device or ""),
            engine.stats(),
        )


class RunnerObserver(Protocol):
    """Is told about the runner; must be quick."""

    def runner_changed(self, status: RunnerStatus, usage: EngineUsage) -> None:
        """After every change of the status or the queue, by one thread at a time."""

    def out_of_memory(self) -> None:
        """The device ran out of memory."""


@dataclass(frozen=True)
class ModelSnapshot:
    """What is known of the model at one moment; see the fields of :class:`RunnerStatus`."""

    status: Status
    loaded: bool
    idle: bool
    reason: str | None
    fallback: str | None
    facts: ModelFacts
    load_seconds: float


class ModelState:
    """The engine and how it is doing; every field is guarded by one lock.

    Only the engine thread takes the engine out of here, so that it alone decides when its memory
    is free.

    Args:
        refuses_waking: whether requests are refused while a model that was idle is loaded again.
    """

    def __init__(self, *, refuses_waking: bool = False) -> None:
        self._lock = threading.Lock()
        self._refuses_waking = refuses_waking
        self._engine: Engine | None = None
        self._status: Status = "loading"
        self._idle = False
        self._reason: str | None = None
        self._fallback: str | None = None
        self._facts = ModelFacts()
        self._load_seconds = 0.0

    @property
    def engine(self) -> Engine | None:
        """For the engine thread alone."""
        with self._lock:
            return self._engine

    @property
    def room(self) -> int:
        """How many jobs may run at once: each has one segment of the model's steps at least."""
        with self._lock:
            return 1 if self._engine is None else self._engine.facts.max_batch or 1

    @property
    def failed(self) -> bool:
        with self._lock:
            return self._status == "failed"

    def require_healthy(self) -> None:
        """Raises NotReadyError where no request can be served now."""
        with self._lock:
            if self._idle and self._refuses_waking:
                retry = math.ceil(self._load_seconds) or LOADING_RETRY_SECONDS
                raise NotReadyError("loading", min(retry, LONGEST_RETRY_SECONDS))
            if self._status != "healthy":
                raise NotReadyError(self._status, LOADING_RETRY_SECONDS)

    def loaded(self, engine: Engine, seconds: float) -> None:
        """There is an engine; it took so long to load."""
        with self._lock:
            self._engine, self._status, self._idle, self._reason = engine, "healthy", False, None
            self._facts, self._load_seconds = engine.facts, seconds

    def unloaded(self) -> None:
        """There is no engine, and one is being loaded."""
        with self._lock:
            self._engine, self._status, self._idle, self._reason = None, "loading", False, None
            self._facts = ModelFacts()

    def sleep(self) -> None:
        """There is no engine because nobody needs one: the next request will have one loaded.

        It is loaded as at the start, so what had to be given up is tried again.
        """
        with self._lock:
            if self._engine is not None:
                self._facts = self._engine.facts
            self._engine, self._idle, self._fallback = None, True, None

    def wake(self) -> None:
        """The engine is being loaded for somebody who asked."""
        with self._lock:
            if self._refuses_waking:
                self._status = "loading"

    def fell_back(self, sentence: str) -> None:
        with self._lock:
            self._fallback = sentence

    def fail(self, reason: str) -> None:
        with self._lock:
            self._status, self._idle, self._reason = "failed", False, reason

    def set_stuck(self, stuck: bool) -> bool:
        """Mark the running work as hung or going on; False where that says nothing now."""
        with self._lock:
            if self._status not in ("healthy", "stuck"):
                return False
            self._status = "stuck" if stuck else "healthy"
            self._reason = "The running inference makes no progress." if stuck else None
            return True

    def snapshot(self) -> ModelSnapshot:
        with self._lock:
            return ModelSnapshot(
                status=self._status,
                loaded=self._engine is not None and self._status == "healthy",
                idle=self._idle,
                reason=self._reason,
                fallback=self._fallback,
                facts=self._facts if self._engine is None else self._engine.facts,
                load_seconds=self._load_seconds,
            )

    def usage(self) -> EngineUsage:
        """What the engine uses; under the lock, so that nobody else holds an engine that goes."""
        with self._lock:
            return EngineUsage() if self._engine is None else EngineUsage.of(self._engine)
