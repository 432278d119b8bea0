"""What every part is given, and the engines that it makes of it."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.gpu_check import faults
from benchmarks.gpu_check.budget import Budget, budget
from benchmarks.gpu_check.shapes import Shapes, official_shapes, small_shapes, tiny_shapes
from benchmarks.gpu_check.weights import make_gpt, make_networks
from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio
from indextts.stages.device import PRECISIONS, MaxBatch
from indextts.stages.networks import Networks

T = TypeVar("T")

SAMPLE_RATE = 22050


@dataclass(frozen=True)
class Bench:
    """The device and the sizes.

    Attributes:
        device: what is checked; the CPU in a dry run.
        dry: tiny sizes.
        seed: of weights and speech.
        model_dir: real weights, or None.
        fault: what is to go wrong.
    """

    device: torch.device
    dry: bool
    seed: int
    model_dir: Path | None
    fault: faults.Fault | None

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def pick(self, real: T, dry: T) -> T:
        """A size."""
        return dry if self.dry else real

    @property
    def precisions(self) -> tuple[str, ...]:
        """What the device offers."""
        return ("fp32", "fp16", "bf16") if self.cuda else ("fp32", "bf16")

    @property
    def daily(self) -> str:
        """The precision that the engine chooses by itself."""
        return "fp16" if self.cuda else "fp32"

    @property
    def verbalizer(self) -> str:
        return "none" if find_spec("wetext") is None else "wetext"

    def spoil(self, module: nn.Module) -> None:
        """Where a fault is injected, make a tested model wrong."""
        faults.spoil(self.fault, module)

    # -- networks ------------------------------------------------------------------------

    def small(self, device: torch.device, precision: str = "fp32") -> Networks:
        """A small random model, the same on every device."""
        shapes = self.pick(small_shapes(), tiny_shapes())
        return make_networks(shapes, device, precision, self.seed, torch.device("cpu"))

    def official(self, precision: str, encoders: torch.device | None = None) -> Networks:
        """Stand-in weights of the official shapes, drawn on the device; clips may be read on
        another."""
        device = self.device
        return make_networks(self._large(), device, precision, self.seed, device, encoders)

    def budget(self) -> Budget:
        """What :meth:`official` in half precision takes of memory, as computed."""
        return budget(self._large())

    def in_precision(self, networks: Networks, precision: str) -> Networks:
        """The same with the GPT of :meth:`official` in another precision."""
        gpt, _ = make_gpt(self._large(), self.device, precision, self.seed, self.device)
        return replace(networks, gpt=gpt)

    def _large(self) -> Shapes:
        return self.pick(official_shapes(), tiny_shapes())

    def settle(self) -> None:
        """Wait for the device, and give back what nobody holds."""
        gc.collect()
        if self.cuda:
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()

    def sync(self) -> None:
        """Wait for the device."""
        if self.cuda:
            torch.cuda.synchronize(self.device)


def load_engine(
    bench: Bench,
    model_dir: Path,
    precision: str,
    *,
    graphs: bool = True,
    max_batch: MaxBatch = "auto",
) -> IndexTTS2:
    """An engine from a model directory, likewise."""
    return IndexTTS2(
        model_dir,
        str(bench.device),
        precision,
        "off",
        verbalizer=bench.verbalizer,
        cuda_graphs="auto" if graphs else "off",
        max_batch=max_batch,
    )


def engine_of(
    networks: Networks, *, graphs: bool = True, max_batch: MaxBatch = "auto"
) -> IndexTTS2:
    """An engine without DeepSpeed, with or without recorded steps."""
    recorded = "auto" if graphs else "off"
    return IndexTTS2.from_networks(networks, "off", cuda_graphs=recorded, max_batch=max_batch)


def dtype_of(precision: str) -> torch.dtype:
    return PRECISIONS[precision]


def speech(seed: int, seconds: float) -> ReferenceAudio:
    """A clip: a buzz with a pitch, a vibrato and some breath."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 100 + 30 * (seed % 5) + 5 * np.sin(2 * np.pi * 5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    wave: NDArray[np.float64] = sum((np.sin(k * phase) / k for k in range(1, 12)), 0 * phase)
    noisy = 0.2 * wave + 0.01 * random.standard_normal(len(time))
    return ReferenceAudio(noisy.astype(np.float32), SAMPLE_RATE)
