"""GPUs that are not there: tensors that say ``cuda:N`` and compute on the CPU.

It cannot tell whether kernels are right or fast.  It does tell where a program for a GPU goes
wrong without one: a CPU tensor or one of another GPU meets a GPU tensor, the host waits for the
device, a recording holds what cannot be recorded or is made on another device's stream, a copy is
read before it has arrived.

    with PretendCuda(devices=2) as gpu:
        model = small_gpt().to("cuda:1")
        ...
    assert not gpu.waits
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.indextts.pretend_ops import (
    cpu_equivalent,
    engine_line,
    flat,
    is_composite,
    mapped,
    with_schema,
)
from tests.indextts.pretend_streams import Event, Graph, Recording, Stream

CPU = torch.device("cpu")
# What makes the host wait until the device has caught up.
HOST_READS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal"}

MOVES = {"copy_", "_to_copy"}


class PlacementError(RuntimeError):
    """Tensors of two devices in one operation."""


class PretendTensor(torch.Tensor):
    """Says that it is on a GPU; `numbers` holds what is there."""

    numbers: Tensor
    gpu: PretendCuda
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, real: Tensor, device: torch.device, gpu: PretendCuda) -> PretendTensor:
        # Under inference mode a view of a parameter would be refused.
        with torch.inference_mode(False):
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                real.size(),
                strides=real.stride(),
                storage_offset=real.storage_offset(),
                dtype=real.dtype,
                device=device,
            )
        made.numbers, made.gpu = real, gpu
        return made

    def __init__(self, *_: object) -> None:
        pass

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        first = next(x for x in flat((args, kwargs)) if isinstance(x, PretendTensor))
        return first.gpu.dispatch(func, args, kwargs or {})

    def tolist(self) -> Any:
        self.gpu.host_waits("tolist", self.device)
        return self.numbers.tolist()

    def __repr__(self, **_: object) -> str:  # type: ignore[override]
        return f"PretendTensor({self.device}, {self.numbers!r})"


class _Mode(TorchDispatchMode):
    """Catches the operations that take no tensor, such as torch.zeros."""

    def __init__(self, gpu: PretendCuda) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return self.gpu.dispatch(func, args, kwargs or {})


class PretendCuda(contextlib.AbstractContextManager["PretendCuda"]):
    """Patches torch for as long as it is entered.

    Attributes:
        waits: how often the host waited for a device, by the engine's line.
        device_waits: how often it waited for all that a device does.
        recordings, replays: how many there were.
        recording_pools: memory pools that the allocator believes to be recorded into.
    """

    def __init__(self, devices: int = 1) -> None:
        self.devices = devices
        self.waits: Counter[str] = Counter()
        self.device_waits: Counter[str] = Counter()
        self.recordings = self.replays = 0
        self.recording_pools: list[Any] = []
        self.default_streams = [Stream(torch.device("cuda", i), 0) for i in range(devices)]
        self.local = threading.local()
        self._recordings: list[Recording] = []
        self._in_flight: list[Callable[[], None]] = []
        self._pinned: set[int] = set()
        self._stack = contextlib.ExitStack()

    # -- life ----------------------------------------------------------------------------

    def __enter__(self) -> PretendCuda:
        torch._C._ensureCUDADeviceGuardSet()
        self._stack.enter_context(_same_arithmetic_after())
        # Module.to() would put our tensors under the skin of the old ones.
        overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        self._stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwrite)
        patches = {
            "_lazy_init": lambda: None,
            "is_available": lambda: True,
            "device_count": lambda: self.devices,
            "current_device": lambda: self.device.index,
            "current_stream": self.current_stream,
            "set_stream": self.set_stream,
            "stream": self.stream,
            "Stream": lambda device=None: Stream(self._index(device)),
            "Event": lambda **_: Event(self),
            "CUDAGraph": lambda: Graph(self),
            "is_current_stream_capturing": lambda: self.current_stream().recording is not None,
            "synchronize": self.synchronize,
            "graph_pool_handle": object,
            "empty_cache": lambda: None,
            "_exchange_device": self.exchange_device,
            "_maybe_exchange_device": self.exchange_device,
            "mem_get_info": lambda device=None: (2**30, 2**30),
        }
        self._stack.enter_context(mock.patch.multiple(torch.cuda, **patches))
        self._stack.enter_context(mock.patch.object(torch, "Generator", _Generator))
        self._stack.enter_context(
            mock.patch.object(torch._C, "_cuda_endAllocateToPool", self.end_allocate, create=True)
        )
        self._stack.enter_context(self.here())
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Makes the GPUs known in a further thread."""
        lifted = torch._C._only_lift_cpu_tensors()
        # torch.tensor() makes its tensor on the CPU first.
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            with _Mode(self):
                yield
        finally:
            torch._C._set_only_lift_cpu_tensors(lifted)

    # -- torch.cuda ----------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """The current device of this thread."""
        return getattr(self.local, "device", torch.device("cuda", 0))

    def exchange_device(self, index: int) -> int:
        """What torch.cuda.device and device_of call; a negative index changes nothing."""
        before = self.device.index
        if index < 0:
            return -1
        self.local.device = torch.device("cuda", index)
        return before

    def _index(self, device: Any) -> torch.device:
        if device is None or torch.device(device).index is None:
            return self.device
        return torch.device(device)

    def current_stream(self, device: Any = None) -> Stream:
        where = self._index(device)
        streams = getattr(self.local, "streams", {})
        return streams.get(where.index, self.default_streams[where.index])

    def set_stream(self, stream: Stream) -> None:
        self.local.streams = {
            **getattr(self.local, "streams", {}),
            stream.device.index: stream,
        }
        self.local.device = stream.device

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        here, there = self.current_stream(), self.current_stream(stream.device)
        self.set_stream(stream)
        try:
            yield
        finally:
            self.set_stream(there)
            self.set_stream(here)

    def synchronize(self, device: Any = None) -> None:
        self.device_waits[engine_line()] += 1
        self.land()
        if self._recordings:
            # No device-wide wait while any stream records, in whichever thread.
            self._recordings[-1].forbid("cudaDeviceSynchronize")

    def end_allocate(self, index: int, pool: Any) -> None:
        if pool not in self.recording_pools:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.recording_pools.remove(pool)

    def land(self) -> None:
        """Let all copies arrive."""
        while self._in_flight:
            self._in_flight.pop(0)()

    # -- operations ----------------------------------------------------------------------

    def host_waits(self, what: str, device: torch.device) -> None:
        self.waits[f"{what} @ {engine_line()}"] += 1
        recording = self.current_stream(device).recording
        if recording is not None:
            recording.forbid(what)

    def dispatch(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_composite(func):
            # Under inference mode these come whole.
            with self.here():
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        leaves = flat((args, kwargs))
        ours = [x for x in leaves if isinstance(x, PretendTensor)]
        asked = [torch.device(x) for x in leaves if isinstance(x, torch.device)]
        target = asked[0] if asked else None
        if not ours and (target is None or target.type != "cuda"):
            return self._on_cpu(func, args, kwargs)
        name = func._schema.name.split("::")[1]
        where = self._where(name, leaves, ours, target)
        self._check_waits(name, args, leaves, ours, where)
        if name == "copy_" and not isinstance(args[0], PretendTensor):
            return self._fetch(args, kwargs)
        out = self._compute(func, *mapped(_real, (args, kwargs)), stream=where)
        written = [x for x, info in with_schema(func, args, kwargs) if info and info.is_write]
        if written:
            return written[0] if len(written) == 1 else tuple(written)
        if target is not None and target.type == "cpu":
            return out
        return mapped(lambda x: PretendTensor(x, where, self) if isinstance(x, Tensor) else x, out)

    def _on_cpu(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        pinned = kwargs.pop("pin_memory", None)
        out = func(*args, **kwargs)
        if pinned:
            self._pinned.add(out.data_ptr())
        return out

    def _where(
        self, name: str, leaves: list[Any], ours: list[PretendTensor], target: torch.device | None
    ) -> torch.device:
        devices = {x.device for x in ours}
        if name not in MOVES:
            strangers = [
                x for x in leaves
                if isinstance(x, Tensor) and not isinstance(x, PretendTensor) and x.dim()
            ]  # fmt: skip
            if len(devices) > 1 or (devices and strangers):
                shapes = [tuple(x.shape) for x in strangers]
                raise PlacementError(f"{name} of tensors on {devices}, on the CPU {shapes}")
        if target is not None and target.type == "cuda":
            return self._index(target)
        return ours[0].device

    def _check_waits(
        self,
        name: str,
        args: Any,
        leaves: list[Any],
        ours: list[PretendTensor],
        where: torch.device,
    ) -> None:
        recording = self.current_stream(where).recording
        if name in HOST_READS:
            self.host_waits(name, where)
        if name == "_to_copy" and ours and any(x == CPU for x in leaves):
            self.host_waits("to the CPU", where)
        if name in ("index", "index_put_") and any(
            isinstance(x, Tensor) and x.dtype == torch.bool for x in args[1]
        ):
            self.host_waits("index by a mask", where)
        if recording is None:
            return
        if any(isinstance(x, torch._C.Generator) for x in leaves):
            recording.forbid("random numbers")
        plain = [x for x in leaves if isinstance(x, Tensor) and not isinstance(x, PretendTensor)]
        # The value of a scalar on the CPU becomes an argument of the kernel; a copy does not.
        if plain and name in MOVES:
            recording.forbid(f"{name} of a CPU tensor")

    def _fetch(self, args: Any, kwargs: dict[str, Any]) -> Tensor:
        """A copy to the CPU: at once, or in the background where both sides allow it."""
        host, source = args[0], args[1].numbers
        if (args[2] if len(args) > 2 else kwargs.get("non_blocking")) and (
            host.data_ptr() in self._pinned
        ):
            value = source.clone()

            def arrive() -> None:
                with torch.inference_mode():
                    host.copy_(value)

            self._in_flight.append(arrive)
        else:
            self.host_waits("copy_ to the CPU", args[1].device)
            host.copy_(source)
        return host

    def _compute(self, func: Any, args: Any, kwargs: Any, stream: torch.device) -> Any:
        recording = self.current_stream(stream).recording
        kwargs.pop("pin_memory", None)
        func, args, kwargs = cpu_equivalent(func, args, kwargs)
        if recording is not None:
            pairs = with_schema(func, args, kwargs)
            recording.keep([x for x, info in pairs if info and info.is_write])
        out = func(*args, **kwargs)
        if recording is not None:
            recording.operations.append((func, args, kwargs, out))
        return out


class _Generator(torch.Generator):
    """Draws on the CPU, wherever it is said to be."""

    def __new__(cls, device: object = "cpu") -> _Generator:
        return super().__new__(cls, "cpu")


@contextlib.contextmanager
def _same_arithmetic_after() -> Iterator[None]:
    """The settings of torch that an engine on CUDA changes, brought back."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    names = (
        "allow_tf32",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    )
    before, tf32 = {name: getattr(matmul, name) for name in names}, cudnn.allow_tf32
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(matmul, name, value)
        cudnn.allow_tf32 = tf32


def _real(x: Any) -> Any:
    if isinstance(x, PretendTensor):
        return x.numbers
    return CPU if isinstance(x, torch.device) else x
