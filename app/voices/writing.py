"""Writing to the folder of voices: whole files or none, one writer at a time.

The lock is on a file in the folder, so it holds for every process of every instance that shares
it, and the kernel frees it when its holder dies.  Readers need none: a file appears by a rename.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.voices.errors import VoicesBusyError, VoiceStorageError

log = logging.getLogger(__name__)

LOCK = ".lock"
PART = ".part-"
LOCK_SECONDS = 5.0
_RETRY_SECONDS = 0.02
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[None]:
    """As :func:`locked`, for a client: makes the folder where it is missing.

    Raises:
        VoicesBusyError: others took too long.
        VoiceStorageError: whatever the operating system refused within the block.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            yield
    except OSError as error:
        log.error("The stored voices cannot be changed: %s", error)
        if error.errno in _FULL:
            raise VoiceStorageError("There is no room left for voices.", full=True) from error
        reason = "The folder of the stored voices cannot be written to."
        raise VoiceStorageError(reason) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only writer; what one that died has left half written goes.

    Args:
        folder: that is written to; must exist.

    Raises:
        VoicesBusyError: others took longer than LOCK_SECONDS.
        OSError: the folder cannot be written to, or its file system has no locks.
    """
    number = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        _take(number)
        for left in folder.glob(f"{PART}*"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(number)


def write_file(path: Path, data: bytes) -> None:
    """Write a file, or leave what was there; under the lock.

    Raises:
        OSError: no room, no permission, a failing disk.
    """
    part = path.with_name(f"{PART}{secrets.token_hex(8)}")
    try:
        # By the umask, so that another user's instance may read it where the operator wants that.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files in this order; one that is gone already is no failure.

    Raises:
        OSError: one cannot be removed; those after it stay.
    """
    folders = set()
    for path in paths:
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder last through a power failure."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems sync by themselves
            raise
    finally:
        os.close(number)


def _take(number: int) -> None:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise VoicesBusyError("Others are changing the stored voices.") from None
            time.sleep(_RETRY_SECONDS)
