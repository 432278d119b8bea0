"""Recording work as CUDA graphs: on the right device, one at a time, without side effects."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

import torch

log = logging.getLogger(__name__)

# CUDA allows several recordings at once, torch one in a process.
_ONE_RECORDING = threading.Lock()


class GraphRecorder:
    """Records for one device; shared by the sessions of one decoder.

    Attributes:
        enabled: whether recordings are still trusted.
    """

    def __init__(self, device: torch.device) -> None:
        self.enabled = True
        self._device = device
        self._stream: torch.cuda.Stream | None = None
        # The first recording of each stream that replays: a memory pool lives as long as a
        # recording that uses it, and recordings that replay one after the other may share one.
        # Without that each new recording would leave its memory to the next out-of-memory.
        self._keepers: dict[int, torch.cuda.CUDAGraph] = {}

    def turn_off(self, reason: str) -> None:
        log.warning("CUDA graphs are not used any more: %s", reason)
        self.enabled = False

    def record(self, work: Callable[[], None]) -> torch.cuda.CUDAGraph:
        """Record what `work` launches; nothing of it runs.

        torch.cuda.graph does nearly the same, but records on the current device, which need not
        be ours, waits for all streams, which another thread's recording does not survive, and
        leaves the thread on its own stream when a recording fails.

        Raises:
            RuntimeError: something in `work` cannot be recorded.  The thread is on the stream
                that it was on before.
        """
        with _ONE_RECORDING:
            if self._stream is None:
                self._stream = torch.cuda.Stream(self._device)
            user = torch.cuda.current_stream(self._device)
            keeper = self._keepers.get(user.cuda_stream)
            pool = torch.cuda.graph_pool_handle() if keeper is None else keeper.pool()
            graph = torch.cuda.CUDAGraph()
            self._stream.wait_stream(user)
            # Makes our device the current one, and always restores both.
            with torch.cuda.stream(self._stream):
                # Other threads may go on allocating.
                graph.capture_begin(pool, capture_error_mode="thread_local")
                try:
                    work()
                    graph.capture_end()
                except BaseException:
                    self._abandon(graph, pool)
                    raise
            user.wait_stream(self._stream)
            self._keepers.setdefault(user.cuda_stream, graph)
        return graph

    def _abandon(self, graph: torch.cuda.CUDAGraph, pool: tuple[int, int]) -> None:
        """End a recording that has failed; why it has is known, so that errors say nothing new."""
        with contextlib.suppress(RuntimeError):
            graph.capture_end()
        # Where that fails torch does not tell its allocator, which then never gives memory back.
        with contextlib.suppress(RuntimeError):
            torch._C._cuda_endAllocateToPool(self._device.index, pool)
