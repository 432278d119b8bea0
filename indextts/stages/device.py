"""Which device the engine runs on, in which number format, and what is wrong with the GPU."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from indextts.errors import ConfigError
from indextts.stages.semantic_gpt import SemanticGPT

MaxBatch = int | Literal["auto"]

CPU_SLOTS = 4
MOST_SLOTS = 16
# Of the memory that is free once the model is loaded; the rest is for flows, vocoder and clips.
CACHE_SHARE = 0.3
# What a segment takes: three beams of a hundred conditioning and text tokens and 18 s of codes.
USUAL_BEAMS, USUAL_POSITIONS = 3, 1000

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """ "auto" is the first CUDA device, or the CPU where CUDA cannot be used.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: {name!r} is no device ({error})") from None
    if device.type != "cuda":
        return device
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
