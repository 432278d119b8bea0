"""The files in which the workers' counters meet, on disks that may be full.

prometheus_client maps sparse files into memory.  On a full disk, touching a page that has no block
is no error that could be caught: the kernel ends the process (SIGBUS).  Here every page has its
block before it is touched, and where there are no more blocks the counters go on in memory.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger(__name__)

DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Whose files they are: a number that no living worker shares, but a later one takes over.
ID_VARIABLE = "PROMETHEUS_MULTIPROC_ID"
_FIRST_BYTES = 1 << 16
# Length, padding, value and time of an entry, beside its key.
_ENTRY_BYTES = 4 + 8 + 16

OnFull = Callable[[str, OSError], None]


class CounterFile(MmapedDict):
    """A file of counters whose pages exist; memory of this process where the disk has none left.

    What had been counted before stays in the file and is still shown; what comes from then on is
    not.

    Args:
        filename: made where it is missing; what it holds is counted on.
        on_full: is told when the disk has no room.
    """

    def __init__(self, filename: str, on_full: OnFull) -> None:
        self._name = filename
        self._on_full = on_full
        self._f: Any = None
        try:
            self._open()
        except OSError as error:
            self._go_on_in_memory(_FIRST_BYTES, error)

    def _open(self) -> None:
        _allocate(self._name)
        try:
            super().__init__(self._name)  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError, struct.error):
            log.warning("The counters in %s cannot be read; they start again at 0", self._name)
            Path(self._name).unlink()
            _allocate(self._name)
            super().__init__(self._name)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + _ENTRY_BYTES
        if needed > self._capacity:
            self._grow(max(2 * self._capacity, needed))
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self, capacity: int) -> None:
        if self._f is not None:
            try:
                _reserve(self._f.fileno(), capacity)
                self._m = mmap.mmap(self._f.fileno(), capacity)
            except OSError as error:
                self._go_on_in_memory(capacity, error)
            else:
                self._capacity = capacity
            return
        self._move(capacity)

    def _go_on_in_memory(self, capacity: int, error: OSError) -> None:
        self._on_full(self._name, error)
        if self._f is None:  # it never was on the disk
            self._m = mmap.mmap(-1, capacity)
            self._capacity, self._used, self._positions = capacity, 8, {}
            return
        self._move(capacity)
        self._f.close()
        self._f = None

    def _move(self, capacity: int) -> None:
        larger = mmap.mmap(-1, capacity)
        larger[: self._used] = self._m[: self._used]
        self._m, self._capacity = larger, capacity


def use_counter_files(directory: str, identity: str) -> None:
    """Make prometheus_client keep the metrics that are made from now on in :class:`CounterFile`.

    Args:
        directory: of the files, for the one line that tells of a full disk.
        identity: names the files; no other living process may have it.
    """
    told: list[str] = []

    def tell_once(_: str, error: OSError) -> None:
        if not told:
            told.append(directory)
            why = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"fails ({error})"
            log.error(
                "The disk of the counters %s: /metrics misses what comes now (%s)", why, directory
            )

    library = cast(Any, values)
    library.MmapedDict = partial(CounterFile, on_full=tell_once)
    # The documented way to name the files by something else than the process id.
    library.ValueClass = library.MultiProcessValue(process_identifier=lambda: identity)


def _allocate(filename: str) -> None:
    """Give every page of the file its block, and room for the first counters; raises OSError."""
    descriptor = os.open(filename, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _reserve(descriptor, max(_FIRST_BYTES, os.fstat(descriptor).st_size))
    except OSError:
        # A file without its first bytes would be unreadable for /metrics.
        Path(filename).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int) -> None:
    """Give the first `size` bytes of a file their blocks; raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    there = os.fstat(descriptor).st_size
    if os.pwrite(descriptor, bytes(size - there), there) < size - there:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
