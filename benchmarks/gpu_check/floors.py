"""What this device could do at best: measured bandwidth and matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_check.bench import Bench

MEASURED_SECONDS = 0.15
KINDS = ("fp32", "tf32", "fp16", "bf16")


@dataclass(frozen=True)
class Floors:
    """Rates of a device.

    Attributes:
        bandwidth: bytes a second of a copy, read and written ones both counted.
        upload: bytes a second from ordinary host memory.
        pinned_upload: the same from pinned memory.
        products: operations a second of a matrix product, by kind.
    """

    bandwidth: float
    upload: float
    pinned_upload: float
    products: dict[str, float]

    def seconds(self, moved: float, operations: float, kind: str) -> float:
        """The least time for so many bytes and operations."""
        return max(moved / self.bandwidth, operations / self.products[kind])


def measure_floors(bench: Bench) -> Floors:
    """About two seconds."""
    # Larger than any cache; a copy in cache is no floor.
    count = bench.pick(2**28, 2**20)
    source = torch.ones(count, device=bench.device)
    target = torch.empty_like(source)
    moved = 2 * source.nbytes
    bandwidth = moved / seconds_of(bench, lambda: target.copy_(source))
    host = torch.ones(bench.pick(2**26, 2**18))
    pinned = host.pin_memory() if bench.cuda else host
    part = target[: len(host)]
    return Floors(
        bandwidth=bandwidth,
        upload=host.nbytes / seconds_of(bench, lambda: part.copy_(host)),
        pinned_upload=host.nbytes / seconds_of(bench, lambda: part.copy_(pinned)),
        products={kind: _product_rate(bench, kind) for kind in KINDS},
    )


def _product_rate(bench: Bench, kind: str) -> float:
    size = bench.pick(8192, 256)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(kind, torch.float32)
    # Random numbers: zeros are faster, as they take less power.
    a, b = (torch.randn(size, size, device=bench.device).to(dtype) for _ in range(2))
    with tf32(kind == "tf32"):
        seconds = seconds_of(bench, lambda: a @ b)
    return 2.0 * size**3 / seconds


class tf32:  # noqa: N801 - reads as a statement
    """Products and convolutions of float32 in TF32, or in full, inside a block."""

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed

    def __enter__(self) -> None:
        self._before = (
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
        )
        self._set(self._allowed, self._allowed)

    def __exit__(self, *_: object) -> None:
        self._set(*self._before)

    @staticmethod
    def _set(products: bool, convolutions: bool) -> None:
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.backends.cudnn.allow_tf32 = convolutions


def seconds_of(bench: Bench, call: Callable[[], object], most: int = 200) -> float:
    """Mean seconds of a call, queued one behind the other, after a warm-up; at most `most`."""
    for _ in range(3):
        call()
    once = seconds_once(bench, call)
    repeats = max(3, min(most, int(bench.pick(MEASURED_SECONDS, 0.01) / max(once, 1e-6))))
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    bench.sync()
    return (time.perf_counter() - start) / repeats


def seconds_once(bench: Bench, call: Callable[[], object]) -> float:
    """Seconds of a single call, cold."""
    bench.sync()
    start = time.perf_counter()
    call()
    bench.sync()
    return time.perf_counter() - start


def operations_of(call: Callable[[], object]) -> float:
    """Multiplications and additions of the matrix products and convolutions of a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def bytes_of(module: torch.nn.Module) -> int:
    """Bytes of the weights."""
    return sum(weight.nbytes for weight in module.parameters())
