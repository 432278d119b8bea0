"""Reading files of the folder of voices: regular ones only, never through a link."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# What changes when a file is replaced or written: device, inode, size, times in nanoseconds.
Signature = tuple[int, int, int, int, int]


def signature(path: Path | str) -> Signature | None:
    """Tells one state of a file from another; None where there is no file."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_regular(path: Path | str, max_bytes: int) -> bytes:
    """The first `max_bytes` of a file.

    Raises:
        OSError: it cannot be opened, or is a link, a folder, a pipe or a device.
    """
    # Not to block: whoever opens a pipe would wait for its writer.
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(max_bytes)
