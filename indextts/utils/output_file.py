"""Files that a synthesis writes: refused before the work, written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indextts.errors import OutputError
from indextts.utils.encode import encode_file, format_of

# A file may be writable in a folder that is not, be mounted by itself, or lie in a folder like
# /tmp, where only its owner may replace it.
_NOT_REPLACEABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY})


def refuse_folder(path: Path) -> None:
    """Raises OutputError where an output is named that is a folder, or cannot be looked at."""
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise _cannot_write(path, error) from error
    if is_folder:
        raise OutputError(f"{path} is a folder; name a file in it, e.g. {path / 'out.wav'}")


def check_writable(path: Path) -> None:
    """Make the parent folders of an output, and see that a file can be written there.

    Raises:
        OutputError: it cannot; the message says why.
    """
    refuse_folder(path)
    try:
        target = _behind_links(path)
        if _is_special(target):
            # To open a FIFO means to wait for its reader, and to close it ends what he reads.
            if not os.access(target, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # Opening shows what no look at permissions does: read-only and full file systems.
        existed = target.exists()
        target.open("ab").close()
        if not existed:
            target.unlink()
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_output(path: Path, content: bytes) -> None:
    """Write a file whole; where that fails, what was there before is still there.

    A link stays, and what it leads to is replaced.  Devices and FIFOs are written to.

    Args:
        path: where to; its folder is there.
        content: all of it.

    Raises:
        OutputError: it cannot be written; the message says why.
        BrokenPipeError: it is a FIFO whose reader has left.
    """
    try:
        target = _behind_links(path)
        if _is_special(target):
            target.write_bytes(content)
        else:
            _replace(target, content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def _behind_links(path: Path) -> Path:
    """What a path leads to, which need not be there."""
    target = Path(os.path.realpath(path))
    # The links of /dev/stdout and /dev/fd lead to what may have no name, or another one.
    if path.exists() and not (target.exists() and target.samefile(path)):
        return path
    return target


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _replace(target: Path, content: bytes) -> None:
    """Give a new file the name in one step."""
    part = target.with_name(f".indextts-{secrets.token_hex(8)}.part")
    try:
        file = part.open("xb")
    except OSError as error:
        _write_in_place(target, content, error)
        return
    try:
        with file:
            if target.exists():
                _take_over_permissions(file.fileno(), target)
            file.write(content)
        try:
            part.replace(target)
        except OSError as error:
            _write_in_place(target, content, error)
            part.unlink()
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _take_over_permissions(file: int, target: Path) -> None:
    """Whoever could read the old file can read the new one."""
    old = target.stat()
    with suppress(OSError):
        os.fchown(file, old.st_uid, old.st_gid)
    # After the owner, because a change of the owner takes bits away.
    with suppress(OSError):
        os.fchmod(file, old.st_mode & 0o7777)


def _write_in_place(target: Path, content: bytes, error: OSError) -> None:
    """For a file that may be written but not replaced; else raises `error`."""
    if error.errno not in _NOT_REPLACEABLE or not target.exists():
        raise error
    target.write_bytes(content)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror or error}")


class SoundFile:
    """A sound file to be written, in the format that its name asks for.

    Raises:
        OutputError: no format has this ending, or nothing can be written there.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        refuse_folder(self.path)  # before its name is taken for a file's
        self._format = format_of(self.path)
        check_writable(self.path)

    def write(self, waveform: NDArray[np.float32], sample_rate: int) -> None:
        """Write it; an existing file is replaced.

        Args:
            waveform: float32 [n], full scale is 1.0; what exceeds it is clipped.
            sample_rate: in Hz.

        Raises:
            OutputError: the disk is full, or the place was taken away meanwhile; an existing file
                stays as it was.
            BrokenPipeError: it is a FIFO whose reader has left.
        """
        write_output(self.path, encode_file(waveform, sample_rate, self._format))
