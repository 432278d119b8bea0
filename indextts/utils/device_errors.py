"""What an error of an accelerator means; decided by names, so that torch need not be there."""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import traceback
from typing import Any

log = logging.getLogger(__name__)

# Texts that mean a lack of memory: cuBLAS and cuDNN say it in their own words, and cuDNN finds no
# algorithm where none fits its workspace.
_MEMORY_MARKS = (
    "out of memory",
    "alloc_failed",
    "allocation_failed",
    "unable to find an engine to execute this computation",
)
# Texts with which CUDA errors speak that leave the context unusable for the whole process.
_DEVICE_ERROR_MARKS = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "device-side assert")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the accelerator ran out of memory."""
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(mark in text for mark in _MEMORY_MARKS)


def poisons_device(error: BaseException) -> bool:
    """Whether no further work on the device can be trusted in this process."""
    if is_out_of_memory(error):
        return False
    if any(kind.__name__ == "AcceleratorError" for kind in type(error).__mro__):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(mark in text for mark in _DEVICE_ERROR_MARKS)


def release_memory(error: BaseException) -> None:
    """Drop what the frames of a failed attempt hold, and the allocator's cache."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        # Errors that led to this one have frames of their own.
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        traceback.clear_frames(link.__traceback__)
        link.__traceback__ = None
        waiting += [link.__cause__, link.__context__]
    free_memory()


def free_memory() -> None:
    """Give back what nobody refers to any more: to the device, and to the operating system."""
    gc.collect()
    _trim_heap()
    torch = loaded_torch()
    if torch is None:
        return
    try:
        torch.cuda.empty_cache()
    except RuntimeError:
        # The next attempt will show whether the device still works.
        log.exception("The GPU's memory could not be released")


def _trim_heap() -> None:
    """glibc keeps freed blocks of up to 32 MB for later; others have nothing to be told."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def loaded_torch() -> Any:
    """torch when something has imported it and CUDA is in use, else None."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return torch
