"""A device that has no memory left, for as long as one wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from indextts.facts import ModelFacts
from indextts.infer_v2 import IndexTTS2
from indextts.request import Control, SynthesisRequest
from indextts.stream import Speaking

# The allocator keeps what is above 1 MiB apart from what is below.
BLOCK_BYTES = (2**23, 2**21, 2**19)


class Starvation(Protocol):
    """Switches the shortage on and off."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def engine(self, engine: IndexTTS2) -> Any:
        """The engine to load instead."""
        ...

    def left_behind(self) -> int:
        """Bytes on the device that are not ours."""
        ...


class SmallLimit:
    """A real shortage: the allocator may take no more than it has, and what it has is filled up."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._ballast: list[Tensor] = []

    def begin(self) -> None:
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(self._device).total_memory
        share = torch.cuda.memory_reserved(self._device) / total
        torch.cuda.set_per_process_memory_fraction(share, self._device)
        for size in BLOCK_BYTES:
            self._fill(size)

    def _fill(self, size: int) -> None:
        """Take blocks of a size until there are none."""
        try:
            while True:
                block = torch.empty(size, dtype=torch.uint8, device=self._device)
                self._ballast.append(block)
        except torch.OutOfMemoryError:
            return

    def end(self) -> None:
        torch.cuda.set_per_process_memory_fraction(1.0, self._device)
        self._ballast.clear()

    def engine(self, engine: IndexTTS2) -> IndexTTS2:
        return engine

    def left_behind(self) -> int:
        torch.cuda.synchronize(self._device)
        # Scratch memory of the matrix products, which stays as long as the process.
        clear = getattr(torch._C, "_cuda_clearCublasWorkspaces", None)
        if clear is not None:
            clear()
        own = sum(block.nbytes for block in self._ballast)
        return torch.cuda.memory_allocated(self._device) - own


class PretendLimit:
    """For a dry run: an engine that says it is on CUDA, and raises what torch would raise."""

    def __init__(self) -> None:
        self.active = False

    def begin(self) -> None:
        self.active = True

    def end(self) -> None:
        self.active = False

    def engine(self, engine: IndexTTS2) -> StarvedEngine:
        return StarvedEngine(engine, self)

    def left_behind(self) -> int:
        return 0


class StarvedEngine:
    """An engine on the CPU that has no memory while its limit is active."""

    def __init__(self, engine: IndexTTS2, limit: PretendLimit) -> None:
        self._engine, self._limit = engine, limit

    @property
    def facts(self) -> ModelFacts:
        return replace(self._engine.facts, device="cuda:0")

    def submit(self, request: SynthesisRequest, control: Control | None = None) -> Speaking:
        if self._limit.active:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        return self._engine.submit(request, control)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)
