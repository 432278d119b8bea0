"""Seconds of the stages of one request."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from indextts.request import StageSeconds


class StageClock:
    """Adds up the time spent in each stage; belongs to one request.

    Kernels run on after the call that launched them, so on CUDA the time is taken where they
    run, between events in the stream.  Waiting for the device instead would cost time, and would
    break what another thread records at that moment.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def stage(self, name: str, *others: StageClock) -> Iterator[None]:
        """Time a block that ends well.

        Args:
            name: a field of StageSeconds.
            others: clocks of requests that share the work; each of them waits as long.
        """
        if self._device.type != "cuda":
            start = time.perf_counter()
            yield
            passed = time.perf_counter() - start
            for clock in (self, *others):
                clock._seconds[name] += passed
            return
        before = self._event()
        yield
        after = self._event()
        for clock in (self, *others):
            clock._events.append((name, before, after))

    def seconds(self) -> StageSeconds:
        """The sums so far; waits for the end of the last stage."""
        for name, before, after in self._events:
            after.synchronize()
            self._seconds[name] += before.elapsed_time(after) / 1e3
        self._events.clear()
        return StageSeconds(**self._seconds)

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event
