"""Files that a synthesis writes; what cannot be written is refused before the work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indextts.errors import OutputError
from indextts.utils.encode import encode_file, format_of


def refuse_folder(path: Path) -> None:
    """Raises OutputError where an output is named that is a folder."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it, e.g. {path / 'out.wav'}")


def check_writable(path: Path) -> None:
    """Make the parent folders of an output, and see that a file can be written there.

    Raises:
        OutputError: it cannot; the message says why.
    """
    refuse_folder(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Opening shows what no look at permissions does: read-only and full file systems.
        existed = path.exists()
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


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
            OSError: the disk is full, or the place was taken away meanwhile.
        """
        self.path.write_bytes(encode_file(waveform, sample_rate, self._format))
