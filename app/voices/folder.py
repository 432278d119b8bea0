"""The files of the folder that are voices.

A name from a request is compared with the names that the folder holds and never becomes part of a
path, so whatever it is, nothing outside is touched.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

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
    """A file that is a voice.

    Attributes:
        name: of the voice, without the suffix.
        folder: it lies in.
        file: its name.
    """

    name: str
    folder: Path
    file: str

    @property
    def path(self) -> Path:
        return self.folder / self.file

    @property
    def sidecar(self) -> str:
        """Path of the sidecar, whether there is one or not."""
        return os.path.join(self.folder, _split(self.file)[0] + SIDECAR_SUFFIX)  # noqa: PTH118


Clips = Mapping[str, Clip]  # by name_key


def clips_in(folder: Path) -> Clips:
    """The voices of a folder as it is now; of two clips of one name the first file is it.

    Raises:
        VoiceStorageError: it cannot be read; a folder that is missing is empty.
    """
    found: dict[str, Clip] = {}
    for file, name in _files(folder, SUFFIXES):
        found.setdefault(name_key(name), Clip(name, folder, file))
    return found


def files_of(folder: Path, key: str) -> list[Path]:
    """Every file of the voice with this key, its clips last; raises as :func:`clips_in` does."""
    files = _files(folder, SUFFIXES | {SIDECAR_SUFFIX})
    found = [folder / file for file, name in files if name_key(name) == key]
    return sorted(found, key=lambda path: path.suffix != SIDECAR_SUFFIX)


def _files(folder: Path, suffixes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Regular files that end so and have the name of a voice, in order: their names, and its.

    Links are none of ours, wherever they lead.
    """
    try:
        with os.scandir(folder) as entries:
            files = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(error) from error
    for file in files:
        stem, suffix = _split(file)
        if suffix.lower() in suffixes:
            with contextlib.suppress(BadVoiceNameError):
                yield file, check_name(stem)


def _split(file: str) -> tuple[str, str]:
    """A name of a file before its last dot, and from there on."""
    stem, dot, suffix = file.rpartition(".")
    return (stem, dot + suffix) if stem else (file, "")


def unreadable(error: OSError) -> VoiceStorageError:
    """For the client; the log has the path."""
    log.error("The stored voices cannot be read: %s", error)
    return VoiceStorageError("The stored voices cannot be read.")
