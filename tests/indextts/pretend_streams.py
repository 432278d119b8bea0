"""Streams, recordings and events of a pretend GPU (pretend_cuda.py)."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tests.indextts.pretend_ops import flat, is_view, writes

if TYPE_CHECKING:
    from tests.indextts.pretend_cuda import PretendCuda


class CaptureError(RuntimeError):
    """Something that a recording cannot hold."""


@dataclass(eq=False)
class Stream:
    """A queue of a device; `recording` is what takes its operations instead of running them."""

    device: torch.device
    cuda_stream: int = field(default_factory=itertools.count(1).__next__)
    recording: Recording | None = None

    def wait_stream(self, other: Stream) -> None:
        assert self.device == other.device

    def synchronize(self) -> None:
        if self.recording is not None:
            self.recording.forbid("synchronize")


@dataclass
class Recording:
    """Operations with their places, and what was at the places that they have written."""

    operations: list[tuple[Any, Any, Any, Any]] = field(default_factory=list)
    before: dict[int, tuple[Any, Any]] = field(default_factory=dict)
    broken: bool = False

    def forbid(self, what: str) -> None:
        self.broken = True
        raise CaptureError(f"{what}: operation not permitted when stream is capturing")

    def keep(self, written: list[Tensor]) -> None:
        for tensor in written:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.before:
                self.before[storage.data_ptr()] = (storage, storage.clone())


class Graph:
    """In place of torch.cuda.CUDAGraph."""

    def __init__(self, gpu: PretendCuda) -> None:
        self._gpu = gpu
        self._made: Recording | None = None
        self._stream: Stream | None = None

    def pool(self) -> Any:
        assert self._made is not None
        return self._pool

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global") -> None:
        self._gpu.recordings += 1
        self._pool = pool
        self._gpu.recording_pools.append(pool)
        self._stream = self._gpu.current_stream()
        if self._stream is self._gpu.default_streams[self._stream.device.index]:
            raise CaptureError("the default stream cannot be captured")
        self._made = self._stream.recording = Recording()
        self._gpu._recordings.append(self._made)

    def capture_end(self) -> None:
        made, stream = self._made, self._stream
        if made is None or stream is None or stream.recording is not made:
            raise CaptureError("no recording is underway")
        stream.recording = None
        self._gpu._recordings.remove(made)
        for storage, old in made.before.values():
            storage.copy_(old)
        if made.broken:
            # As in torch, the allocator does not hear of it.
            raise CaptureError("operation failed due to a previous error during capture")
        self._gpu.end_allocate(stream.device.index, self._pool)

    def replay(self) -> None:
        assert self._made is not None
        self._gpu.replays += 1
        for func, args, kwargs, out in self._made.operations:
            if is_view(func):
                continue
            again = func(*args, **kwargs)
            if writes(func):
                continue
            for old, new in zip(flat(out), flat(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Event:
    """In place of torch.cuda.Event."""

    def __init__(self, gpu: PretendCuda) -> None:
        self._gpu = gpu
        self._at = 0.0

    def record(self, stream: Stream | None = None) -> None:
        self._at = time.perf_counter()

    def synchronize(self) -> None:
        self._gpu.land()

    def elapsed_time(self, later: Event) -> float:
        return 1e3 * (later._at - self._at)
