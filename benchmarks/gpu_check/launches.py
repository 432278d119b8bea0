"""Kernels of one call, and how long the device is busy with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu_check.bench import Bench

_LAUNCH = ("cudaLaunch", "cuLaunch", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")


@dataclass(frozen=True)
class Launches:
    """What the profiler saw of a call.

    Attributes:
        kernels: run by the device; on the CPU, operators.
        launches: calls with which the host started them; a recording is a single one.
        busy_ms: sum of the kernels' times.
        longest: name and ms of the kernels that took most, summed up by name.
    """

    kernels: int
    launches: int
    busy_ms: float
    longest: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return f"{self.kernels} kernels, {self.launches} launches, busy {self.busy_ms:.2f} ms"


def launches_of(bench: Bench, call: Callable[[], object]) -> Launches:
    """Profile one call, after it has been warmed up."""
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if bench.cuda else [])
    bench.sync()
    with profile(activities=kinds) as profiler:
        call()
        bench.sync()
    events = list(profiler.events() or ())
    where = "CUDA" if bench.cuda else "CPU"
    kernels = [event for event in events if event.device_type.name == where]
    by_name: dict[str, float] = {}
    for event in kernels:
        spent = event.self_device_time_total if bench.cuda else event.self_cpu_time_total
        by_name[event.name] = by_name.get(event.name, 0.0) + spent / 1000
    longest = sorted(by_name.items(), key=lambda item: -item[1])[:5]
    return Launches(
        kernels=len(kernels),
        launches=sum(event.name.startswith(_LAUNCH) for event in events),
        busy_ms=sum(by_name.values()),
        longest=tuple((name[:60], round(ms, 3)) for name, ms in longest),
    )
