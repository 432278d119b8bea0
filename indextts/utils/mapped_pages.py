"""Pages of memory-mapped files that have been read and are not needed any more (Linux)."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

from torch import Tensor


class MappedPages:
    """The files that this process has mapped now.

    Args:
        maps: the kernel's list; where there is none, nothing is ever let go of.
    """

    def __init__(self, maps: Path = Path("/proc/self/maps")) -> None:
        self._files: list[tuple[int, int]] = []
        self._madvise = getattr(ctypes.CDLL(None), "madvise", None) if maps.is_file() else None
        if self._madvise is None:
            return
        for line in maps.read_text(encoding="utf-8", errors="replace").splitlines():
            span, _, _, _, inode = line.split(maxsplit=5)[:5]
            if inode != "0":
                first, last = span.split("-")
                self._files.append((int(first, 16), int(last, 16)))

    def let_go(self, tensor: Tensor) -> int:
        """Give back the memory of a tensor that lies in a file; reading it again fetches it again.

        Pages that the tensor does not fill stay, and so does all that is not mapped from a file:
        what was there would be lost.  The tensor must not have been written to.

        Returns:
            How many bytes that were.
        """
        if not tensor.is_contiguous():
            return 0
        start = tensor.data_ptr()
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (start + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
        inside = any(begin <= first and last <= end for begin, end in self._files)
        if self._madvise is None or not inside or last <= first:
            return 0
        size = last - first
        failed = self._madvise(
            ctypes.c_void_p(first), ctypes.c_size_t(size), ctypes.c_int(mmap.MADV_DONTNEED)
        )
        return 0 if failed else size
