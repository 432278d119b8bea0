"""Recording work as CUDA graphs: on the right device, one at a time, without side effects.

Work of many small kernels is bound by their launching.  It is recorded once for each shape and
then replayed with one launch.  What it reads and writes lies at fixed places.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

log = logging.getLogger(__name__)

# Times that work of a shape is done before it is recorded: what is done less often would be slower
# with a recording.
FIRST_RECORDED = 4
# CUDA allows several recordings at once, torch one in a process.
_ONE_RECORDING = threading.Lock()


class FixedWork(Protocol):
    """Work whose inputs and outputs stay where they are."""

    def run(self) -> None:
        """The work itself; also what is recorded."""
        ...

    def snapshot(self) -> Sequence[Tensor]:
        """Copies of what it changes, as far as a repeat needs them."""
        ...

    def go_back(self, before: Sequence[Tensor]) -> None:
        """Make ready for a repeat of the run that followed a snapshot."""
        ...

    def try_replay(self, graph: torch.cuda.CUDAGraph, before: Sequence[Tensor]) -> str:
        """Repeat what has just been run, now by its recording; the problem, or an empty text."""
        ...


class GraphRecorder:
    """Records for one device.

    Args:
        device: see above.
        what: is recorded, for the log.

    Attributes:
        enabled: whether recordings are still trusted.
    """

    def __init__(self, device: torch.device, what: str = "decoding steps") -> None:
        self.enabled = True
        self._device, self._what = device, what
        self._stream: torch.cuda.Stream | None = None
        # The first recording of each stream that replays: a memory pool lives as long as a
        # recording that uses it, and recordings that replay one after the other may share one.
        # Without that each new recording would leave its memory to the next out-of-memory.
        self._keepers: dict[int, torch.cuda.CUDAGraph] = {}

    def turn_off(self, reason: str) -> None:
        log.warning("CUDA graphs are not used any more for %s: %s", self._what, reason)
        self.enabled = False

    def run_and_record(self, work: FixedWork) -> torch.cuda.CUDAGraph | None:
        """Do work and record it; None where the recording is of no use, now and for good.

        The trial repeats the work, so that the state is then the one behind it, either way.

        Raises:
            torch.OutOfMemoryError: there is no room for it now, which says nothing about later.
        """
        before = work.snapshot()
        work.run()
        try:
            graph = self.record(work.run)
            problem = work.try_replay(graph, before)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            problem = f"a step could not be recorded ({error})"
        if problem:
            self.turn_off(problem)
            # A wrong replay has written wrong results.
            work.go_back(before)
            work.run()
        return None if problem else graph

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


W = TypeVar("W", bound=FixedWork)


class Recorded(Generic[W]):
    """Work at its fixed places, and what has been recorded of it.

    Args:
        work: see above.
        recorder: of its device.
    """

    def __init__(self, work: W, recorder: GraphRecorder) -> None:
        self.work = work
        self._recorder = recorder
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def graph(self) -> torch.cuda.CUDAGraph | None:
        """The recording, behind the first run."""
        return self._graph

    def run(self) -> None:
        """Do the work, the first time to record it; raises what the recorder raises."""
        if self._graph is None:
            self._graph = self._recorder.run_and_record(self.work)
        else:
            self._graph.replay()


@dataclass
class _Shape(Generic[W]):
    times: int = 0
    recorded: Recorded[W] | None = None


class Recordings(Generic[W]):
    """The recordings of one kind of work, by shape; those used last are kept.

    Args:
        recorder: of the device.
        most: that are kept.
    """

    def __init__(self, recorder: GraphRecorder, most: int) -> None:
        self.recorder = recorder
        self._most = most
        self._shapes: dict[Hashable, _Shape[W]] = {}

    def all(self) -> list[Recorded[W]]:
        """What has been recorded."""
        found = (shape.recorded for shape in self._shapes.values())
        return [one for one in found if one is not None and one.graph is not None]

    def find(self, shape: Hashable, make: Callable[[], W]) -> Recorded[W] | None:
        """The work of a shape, made where it is not there yet; None for the first few times."""
        known = self._shapes[shape] = self._shapes.pop(shape, _Shape())
        if len(self._shapes) > self._most:
            del self._shapes[next(iter(self._shapes))]
        known.times += 1
        if known.times <= FIRST_RECORDED:
            return None
        if known.recorded is None:
            known.recorded = Recorded(make(), self.recorder)
        return known.recorded

    def clear(self) -> None:
        """Forget all of them."""
        self._shapes.clear()
