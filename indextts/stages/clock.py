"""Wall-clock seconds of the stages of one request."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from indextts.request import StageSeconds


class StageClock:
    """Adds up the time spent in each stage; belongs to one request."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; `name` is a field of StageSeconds."""
        start = time.perf_counter()
        try:
            yield
        finally:
            if self._device.type == "cuda":
                # Kernels run on after the call: without this the next stage would pay for them.
                torch.cuda.synchronize(self._device)
            self._seconds[name] += time.perf_counter() - start

    def seconds(self) -> StageSeconds:
        return StageSeconds(**self._seconds)
