"""How a process waits and allocates that makes speech on a CPU."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import MutableMapping

# glibc's names for mallopt(3), and what it is told.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST_REUSED = 32 * 2**20
_MOST_KEPT = 2**30


def tune_process(environ: MutableMapping[str, str], *, stays: bool = True) -> None:
    """Let torch's threads sleep while they wait, keep freed memory for the next tensor, and have
    large tensors in large pages.

    OpenMP's threads spin by default; with anything else on the cores each of thousands of small
    steps then waits for the scheduler.  glibc gives a tensor of some MB back to the kernel as soon
    as it is freed, and the next one costs a page fault for each 4 KB: a tenth of the time of a
    large model.  A step of its GPT reads 2 GB of weights: where the kernel leaves it to programs
    whether they have pages of 2 MB, torch is told to ask for them, which saves a seventh of the
    step; but a virtual machine whose host has taken its free memory back takes seconds for them at
    load.  What the environment says about any of these stays.

    To be called before torch is imported; :func:`indextts.utils.device_errors.free_memory` gives
    back what is kept.

    Args:
        environ: of this process.
        stays: whether it lives long enough for large pages to pay.
    """
    environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if stays:
        environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if not any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in environ):
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    # The heaps of threads other than the first are small and given back when they are empty: one
    # heap for all.
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_THRESHOLD, _LARGEST_REUSED)
    mallopt(_TRIM_THRESHOLD, _MOST_KEPT)
