"""Which device the engine runs on, in which number format, and what is wrong with the GPU."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from indextts.errors import ConfigError
from indextts.layers.reduced import Int8Linear, Reduced
from indextts.quality import Weights
from indextts.stages.semantic_gpt import SemanticGPT

MaxBatch = int | Literal["auto"]

CPU_SLOTS = 4
MOST_SLOTS = 16
# Of the memory that is free once the model is loaded; the rest is for flows, vocoder and clips.
CACHE_SHARE = 0.3
# What a segment takes: three beams of a hundred conditioning and text tokens and 18 s of codes.
USUAL_BEAMS, USUAL_POSITIONS = 3, 1000

ENCODERS = ("auto", "same", "cpu")
_DEVICES = "use auto, cpu, cuda, or cuda:N for GPU N"
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """ "auto" is the first CUDA device, or the CPU where CUDA cannot be used.

    Raises:
        ConfigError: there is no such device, or it is neither the CPU nor a CUDA device.
    """
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: {name!r} is no device; {_DEVICES}") from None
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ConfigError(f"device: {name!r} cannot be used; {_DEVICES}")
    if not torch.cuda.is_available():
        raise ConfigError(f"device: {name!r} cannot be used: {_reason()}")
    index, count = device.index or 0, torch.cuda.device_count()
    if index >= count:
        raise ConfigError(f"device: {name!r} is not there; torch sees GPU 0 to {count - 1}")
    return torch.device("cuda", index)


def choose_precision(name: str, device: torch.device) -> str:
    """ "auto" is fp16 on CUDA and fp32 elsewhere; it concerns the GPT's block stack only."""
    if name == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if name not in PRECISIONS:
        raise ConfigError(f"precision: {name!r} is none of auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise ConfigError("precision: fp16 needs a GPU; the CPU takes fp32 or bf16")
    return name


def choose_encoders(name: str, device: torch.device, weights: int) -> torch.device:
    """Where the networks are that read clips, more than half of a model.

    Args:
        name: "same" is `device`, "cpu" the CPU; "auto" the CPU where a GPU has less memory free
            than the files of the weights take.  The GPT has half of their size there, and what
            that saves is needed for keys and values, flow and vocoder.
        device: of all other networks.
        weights: bytes of these files.

    Raises:
        ConfigError: `name` is none of these.
    """
    if name not in ENCODERS:
        raise ConfigError(f"encoders_device: {name!r} is none of {', '.join(ENCODERS)}")
    if name == "auto" and device.type == "cuda" and torch.cuda.mem_get_info(device)[0] < weights:
        return torch.device("cpu")
    return torch.device("cpu") if name == "cpu" else device


@dataclass(frozen=True)
class ChosenWeights:
    """What the large matrices of a class are multiplied in.

    Attributes:
        format: "bf16" or "int8" on a CPU; "tf32" on CUDA, where the weights stay as they are;
            "fp32" where nothing is saved.
        notice: why it is not what was asked for; mostly empty.
    """

    format: Literal["fp32", "tf32", "bf16", "int8"]
    notice: str = ""

    @property
    def reduced(self) -> Reduced | None:
        """The format of weights that are changed when they are loaded."""
        return self.format if self.format in ("bf16", "int8") else None

    def __str__(self) -> str:
        match self.format:
            case "tf32":
                return "TF32 in flow and vocoder"
            case "fp32":
                return f"fp32 ({self.notice})" if self.notice else "fp32"
        return f"{self.format} matrices"


def choose_weights(wanted: Weights, device: torch.device) -> ChosenWeights:
    """The format that the fast class has on a device.

    "auto" on a CPU is bf16 where there are instructions for it, else int8 where there are for that,
    else float32.  Without instructions bf16 is emulated, and int8 products overflow: what is asked
    for and cannot be had is float32.
    """
    if wanted == "fp32":
        return ChosenWeights("fp32")
    if device.type == "cuda":
        return ChosenWeights("tf32")
    if wanted in ("auto", "bf16") and _multiplies_bf16():
        return ChosenWeights("bf16")
    if wanted in ("auto", "int8") and _multiplies_int8():
        return ChosenWeights("int8")
    lacking = {"bf16": "AVX512_BF16 or AMX", "int8": "VNNI"}.get(wanted, "VNNI, AVX512_BF16 or AMX")
    return ChosenWeights("fp32", f"this processor has no {lacking}")


def _multiplies_bf16() -> bool:
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _multiplies_int8() -> bool:
    able = torch.cpu.get_capabilities()
    if not (able.get("avx512_vnni") or able.get("avx_vnni") or able.get("amx_int8")):
        return False
    # oneDNN can be kept from these instructions (ONEDNN_MAX_CPU_ISA); sums of large products then
    # overflow.
    ones = torch.ones(32, 32)
    return bool(((Int8Linear(ones, None)(ones) - 32).abs() < 1).all())


@contextmanager
def tf32_products() -> Iterator[None]:
    """Products of float32 on CUDA are taken in TF32 inside; for one thread at a time."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def choose_slots(wanted: MaxBatch, gpt: SemanticGPT) -> int:
    """How many segments can be decoded together.

    Args:
        wanted: a number, or "auto": some on a CPU, which rows cost little and memory much; as many
            on CUDA as their keys and values fit into a share of the memory that is free now.
        gpt: loaded.

    Raises:
        ConfigError: `wanted` is neither.
    """
    if wanted != "auto":
        if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
            raise ConfigError(f"max_batch: {wanted!r} is neither auto nor a number from 1 on")
        return wanted
    if gpt.device.type != "cuda":
        return CPU_SLOTS
    free, _ = torch.cuda.mem_get_info(gpt.device)
    config = gpt.config
    position = 2 * config.layers * config.model_dim * gpt.mel_head.weight.element_size()
    slot = USUAL_BEAMS * USUAL_POSITIONS * position
    return max(1, min(MOST_SLOTS, int(CACHE_SHARE * free / slot)))


def precision_name(dtype: torch.dtype) -> str:
    """The name in :data:`PRECISIONS`."""
    return next(name for name, value in PRECISIONS.items() if value == dtype)


def cuda_problem(environ: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> str:
    """Why CUDA cannot be used although this machine seems to have a GPU; else an empty text.

    Args:
        environ: its ``CUDA_VISIBLE_DEVICES`` says what this process is meant to use.
        devices: folder of the device files.
    """
    if torch.cuda.is_available():
        return ""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        wanted = any(re.fullmatch(r"nvidia\d+", path.name) for path in devices.glob("nvidia*"))
    else:
        wanted = visible.strip() not in ("", "-1")
    if not wanted:
        return ""
    return f"There seems to be a GPU, but CUDA cannot be used: {_reason()}"


def _reason() -> str:
    """What torch says when it is told to start CUDA."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return " ".join(str(error).split())
    return "torch sees no GPU"


def set_cuda_arithmetic(*, tf32: bool) -> None:
    """How exact products of matrices are on CUDA; holds for the whole process.

    Args:
        tf32: multiply float32 with 10 bits of mantissa instead of 23, several times as fast.
    """
    # torch refuses to work with both of its interfaces for TF32; this is the older one.
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    # Sums of products in half precision are to be taken in float32, to the end.
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
