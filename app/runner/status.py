"""The state of the model, and what the runner tells others about itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal, Protocol

from app.runner.engine import Engine, ModelFacts, WorkStats
from app.runner.errors import NotReadyError

Status = Literal["healthy", "loading", "failed", "stuck"]
STATUSES: tuple[Status, ...] = ("healthy", "loading", "failed", "stuck")
LOADING_RETRY_SECONDS = 5


@dataclass(frozen=True)
class RunnerStatus:
    """A snapshot; every text in it is fit for strangers.

    Attributes:
        model_loaded: whether a request would be served now.
        reason: why the status is not healthy.
        fallback: what the service had to give up to go on.
        queue_length: requests waiting for the engine.
        expected_wait: seconds that a new request would about wait.
        jobs_running: requests that the engine works on.
        uptime: seconds since the worker started.
        facts: about the loaded model.
    """

    status: Status
    model_loaded: bool
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
    def of(cls, engine: Engine, device_bytes: int) -> EngineUsage:
        stats = engine.cache_stats()
        return cls(
            stats.hits, stats.misses, stats.bytes, stats.entries, device_bytes, engine.stats()
        )


class RunnerObserver(Protocol):
    """Is told about the runner; must be quick and safe for several threads."""

    def runner_changed(self, status: RunnerStatus, usage: EngineUsage) -> None:
        """After every change of the status or the queue."""

    def out_of_memory(self) -> None:
        """The device ran out of memory."""


class ModelState:
    """The engine and how it is doing; every field is guarded by one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._status: Status = "loading"
        self._reason: str | None = None
        self._fallback: str | None = None

    @property
    def engine(self) -> Engine | None:
        with self._lock:
            return self._engine

    @property
    def failed(self) -> bool:
        with self._lock:
            return self._status == "failed"

    def require_healthy(self) -> None:
        """Raises NotReadyError where no request can be served now."""
        with self._lock:
            if self._status != "healthy":
                raise NotReadyError(self._status, LOADING_RETRY_SECONDS)

    def loaded(self, engine: Engine) -> None:
        with self._lock:
            self._engine, self._status, self._reason = engine, "healthy", None

    def unloaded(self) -> None:
        """There is no engine, and one is being loaded."""
        with self._lock:
            self._engine, self._status, self._reason = None, "loading", None

    def fell_back(self, sentence: str) -> None:
        with self._lock:
            self._fallback = sentence

    def fail(self, reason: str) -> None:
        with self._lock:
            self._status, self._reason = "failed", reason

    def set_stuck(self, stuck: bool) -> bool:
        """Mark the running work as hung or going on; False where that says nothing now."""
        with self._lock:
            if self._status not in ("healthy", "stuck"):
                return False
            self._status = "stuck" if stuck else "healthy"
            self._reason = "The running inference makes no progress." if stuck else None
            return True

    def snapshot(self) -> tuple[Status, str | None, str | None, ModelFacts]:
        """Status, reason, fallback, facts."""
        with self._lock:
            facts = ModelFacts() if self._engine is None else self._engine.facts
            return self._status, self._reason, self._fallback, facts
