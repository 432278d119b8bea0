"""The files of the folder that are voices.

A name from a request is compared with the names that the folder holds and never becomes part of a
path, so whatever it is, nothing outside is touched.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from app.voices.errors import BadVoiceNameError, VoiceStorageError
from app.voices.names import check_name, name_key
from app.voices.voice import SIDECAR_SUFFIX

log = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {
        *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".aifc"),
        *(".m4a", ".mp4", ".aac", ".webm", ".mka", ".amr"),
    }
)
"""How the name of a file ends that is a voice; what is in it is told by its content."""


@dataclass(frozen=True)
class Clip:
    """A file that is a voice."""

    name: str
    path: Path

    @property
    def sidecar(self) -> Path:
        """Where its sidecar would be."""
        return self.path.with_suffix(SIDECAR_SUFFIX)


Clips = Mapping[str, Clip]  # by name_key


def clips_in(folder: Path) -> Clips:
    """The voices of a folder as it is now; of two clips of one name the first file is it.

    Raises:
        VoiceStorageError: it cannot be read; a folder that is missing is empty.
    """
    found: dict[str, Clip] = {}
    for file in _regular_files(folder):
        name = _name_of(file)
        if name is not None and PurePath(file).suffix.lower() in SUFFIXES:
            found.setdefault(name_key(name), Clip(name, folder / file))
    return found


def files_of(folder: Path, key: str) -> list[Path]:
    """Every file of the voice with this key, its clips last; raises as :func:`clips_in` does."""
    suffixes = SUFFIXES | {SIDECAR_SUFFIX}
    found = [
        folder / file
        for file in _regular_files(folder)
        if PurePath(file).suffix.lower() in suffixes
        and (name := _name_of(file)) is not None
        and name_key(name) == key
    ]
    return sorted(found, key=lambda path: path.suffix != SIDECAR_SUFFIX)


def _regular_files(folder: Path) -> list[str]:
    """Names of the files, in order; links are none of ours, wherever they lead."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(error) from error


def _name_of(file: str) -> str | None:
    """The voice that a file belongs to by its name, or None."""
    try:
        return check_name(PurePath(file).stem)
    except BadVoiceNameError:
        return None


def unreadable(error: OSError) -> VoiceStorageError:
    """For the client; the log has the path."""
    log.error("The stored voices cannot be read: %s", error)
    return VoiceStorageError("The stored voices cannot be read.")
