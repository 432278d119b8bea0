"""What the runner tells others about itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from app.runner.engine import Engine

Status = Literal["healthy", "loading", "failed", "stuck"]
STATUSES: tuple[Status, ...] = ("healthy", "loading", "failed", "stuck")


@dataclass(frozen=True)
class RunnerStatus:
    """A snapshot; every text in it is fit for strangers.

    Attributes:
        reason: why the status is not healthy, or empty.
        fallback: what the service had to give up to go on, or empty.
        queue_length: requests waiting for the engine.
        uptime: seconds since the worker started.
        model_notice: what people should know about the checkpoint, or empty.
    """

    status: Status
    model_loaded: bool
    reason: str
    fallback: str
    queue_length: int
    queue_capacity: int
    running: bool
    uptime: float
    device: str | None = None
    precision: str | None = None
    deepspeed_enabled: bool = False
    model_name: str | None = None
    model_version: str | None = None
    model_notice: str = ""
    sample_rate: int | None = None
    supports_emotion_text: bool = False


@dataclass(frozen=True)
class EngineUsage:
    """Resources and cache counters of the engine, since the start."""

    cache_hits: int = 0
    cache_misses: int = 0
    cache_bytes: int = 0
    cache_entries: int = 0
    device_bytes: int = 0

    @classmethod
    def of(cls, engine: Engine, device_bytes: int) -> EngineUsage:
        stats = engine.cache_stats()
        return cls(stats.hits, stats.misses, stats.bytes, stats.entries, device_bytes)


class RunnerObserver(Protocol):
    """Is told about the runner; must be quick and safe for several threads."""

    def runner_changed(self, status: RunnerStatus, usage: EngineUsage) -> None:
        """After every change of the status or the queue."""

    def out_of_memory(self) -> None:
        """The device ran out of memory."""


def describe(
    engine: Engine | None,
    *,
    status: Status,
    reason: str,
    fallback: str,
    queue_length: int,
    queue_capacity: int,
    running: bool,
    uptime: float,
) -> RunnerStatus:
    """Put a snapshot together; the fields of the model stay empty while there is none."""
    common = RunnerStatus(
        status=status,
        model_loaded=engine is not None and status == "healthy",
        reason=reason,
        fallback=fallback,
        queue_length=queue_length,
        queue_capacity=queue_capacity,
        running=running,
        uptime=uptime,
    )
    if engine is None:
        return common
    return replace(
        common,
        device=engine.device,
        precision=engine.precision,
        deepspeed_enabled=engine.deepspeed_enabled,
        model_name=engine.model_name,
        model_version=engine.model_version,
        model_notice=engine.model_notice,
        sample_rate=engine.sample_rate,
        supports_emotion_text=engine.supports_emotion_text,
    )
