"""Which GPU a worker gets, stable when workers die and are replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path


def free_slot(used: Iterable[int], workers: int) -> int:
    """The lowest slot that is used least.

    Args:
        used: slots of the living workers.
        workers: number of slots.
    """
    taken = list(used)
    return min(range(max(workers, 1)), key=lambda slot: (taken.count(slot), slot))


def gpu_list(
    configured: tuple[str, ...], environ: Mapping[str, str], devices: Path = Path("/dev")
) -> tuple[str, ...]:
    """The GPUs that workers may use, found without torch, which must not run in the master.

    Args:
        configured: ``INDEXTTS_GPUS``, which decides when it is given.
        environ: its ``CUDA_VISIBLE_DEVICES`` decides next, even when it is empty.
        devices: folder of the device files, the last resort.
    """
    if configured:
        return configured
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(part.strip() for part in visible.split(",") if part.strip())
    numbers = [
        int(path.name.removeprefix("nvidia"))
        for path in devices.glob("nvidia*")
        if re.fullmatch(r"nvidia\d+", path.name)
    ]
    # CUDA numbers the devices that it can see from 0, whatever their files are called.
    return tuple(str(index) for index in range(len(numbers)))


def gpu_of_slot(slot: int, gpus: tuple[str, ...]) -> str | None:
    """The GPU of a slot; slots share GPUs where there are more slots.  None without GPUs."""
    return gpus[slot % len(gpus)] if gpus else None
