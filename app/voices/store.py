"""The voices in a folder, as they are at this moment.

Nothing of a listing is kept, so workers and instances that share the folder see the same voices.
A name from a request is compared with the names in the folder and never becomes part of a path.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from app.voices.aliases import ALIASES, AliasFile
from app.voices.errors import BadVoiceNameError, UnknownVoiceError, VoiceStorageError
from app.voices.files import Signature, read_regular, signature
from app.voices.names import check_name, name_key
from app.voices.voice import MAX_SIDECAR_BYTES, SIDECAR_SUFFIX, Sidecar, SidecarError, Voice

log = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {
        *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".aifc"),
        *(".m4a", ".mp4", ".aac", ".webm", ".mka", ".amr"),
    }
)
"""How the name of a file ends that is a voice; what is in it is told by its content."""
DEFAULT_VOICE = "default"

Clips = Mapping[str, "Clip"]  # by name_key


@dataclass(frozen=True)
class Clip:
    """A file of the folder that is a voice."""

    name: str
    path: Path


class VoiceStore:
    """Finds and reads the stored voices; threads share it.

    Args:
        folder: with the clips, their sidecars and ``aliases.yaml``.
        fallback: name of the voice that is taken for an unknown one; empty for none.
        max_bytes: a longer clip is read only as far as to show that it is too long.
    """

    def __init__(self, folder: Path, fallback: str = "", max_bytes: int = 20 << 20) -> None:
        self._folder = folder
        self._fallback = fallback
        self._max_bytes = max_bytes
        self._aliases = AliasFile(folder / ALIASES)
        self._sidecars = _Sidecars()

    def names(self) -> list[str]:
        """Names of all voices, in order, without their aliases."""
        return sorted(clip.name for clip in self._clips().values())

    def voices(self) -> list[Voice]:
        """All voices, by name."""
        clips = sorted(self._clips().values(), key=lambda clip: clip.name)
        return self._sidecars.all(clips)

    def aliases(self) -> dict[str, str]:
        """The further names of the voices that are there, and the names of those."""
        clips = self._clips()
        found = {}
        for key, alias in self._aliases.current().items():
            clip = clips.get(name_key(alias.voice))
            if clip is not None and key not in clips:
                found[alias.name] = clip.name
        return dict(sorted(found.items()))

    def find(self, name: str) -> Voice:
        """The voice of this name or alias, else the fallback.

        ``default`` is always some voice, unless there is none.

        Raises:
            BadVoiceNameError: no voice can have the name.
            UnknownVoiceError: no voice has it.
            VoiceStorageError: the folder cannot be read.
        """
        return self._sidecars.voice(self._find(name))

    def read(self, name: str) -> bytes:
        """The clip of the voice that :meth:`find` finds; raises as it does."""
        for _ in range(3):
            clip = self._find(name)
            try:
                return read_regular(clip.path, self._max_bytes + 1)
            except FileNotFoundError:
                continue  # removed a moment ago, or replaced by one of another format
            except OSError as error:
                raise _unreadable(error) from error
        raise UnknownVoiceError(check_name(name), self.names())

    def _find(self, name: str) -> Clip:
        clips = self._clips()
        try:
            found = self._lookup(check_name(name), clips)
        except BadVoiceNameError:
            # Clients invent names of any form; whoever sets a fallback wants them to work.
            found = self._lookup(self._fallback, clips) if self._fallback else None
            if found is None:
                raise
            return found
        if found is None and self._fallback:
            found = self._lookup(self._fallback, clips)
        if found is None:
            raise UnknownVoiceError(check_name(name), sorted(clip.name for clip in clips.values()))
        return found

    def _lookup(self, name: str, clips: Clips) -> Clip | None:
        """The voice of a checked name, itself or by an alias."""
        clip = clips.get(name_key(name))
        if clip is not None:
            return clip
        alias = self._aliases.current().get(name_key(name))
        if alias is not None and name_key(alias.voice) in clips:
            return clips[name_key(alias.voice)]
        if name_key(name) == DEFAULT_VOICE and clips:
            return min(clips.values(), key=lambda clip: clip.name)
        return None

    def _clips(self) -> Clips:
        """What the folder holds now.

        Raises:
            VoiceStorageError: it cannot be read; a folder that is missing is empty.
        """
        found: dict[str, Clip] = {}
        try:
            with os.scandir(self._folder) as entries:
                files = sorted(e.name for e in entries if e.is_file(follow_symlinks=False))
        except FileNotFoundError:
            return found
        except OSError as error:
            raise _unreadable(error) from error
        for file in files:
            name = _name_of(file)
            if name is not None:
                found.setdefault(name_key(name), Clip(name, self._folder / file))
        return found


class _Sidecars:
    """Reads sidecars, and keeps what they said as long as their files stay the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Path, tuple[Signature, Sidecar]] = {}

    def all(self, clips: list[Clip]) -> list[Voice]:
        """The voices of all clips of the folder; what is kept of others goes."""
        voices = [self.voice(clip) for clip in clips]
        paths = {_sidecar_path(clip) for clip in clips}
        with self._lock:
            for path in self._kept.keys() - paths:
                del self._kept[path]
        return voices

    def voice(self, clip: Clip) -> Voice:
        """The voice of a clip; a sidecar that cannot be used is reported in the log, once."""
        path = _sidecar_path(clip)
        found = signature(path)
        if found is None:
            return Voice(clip.name, clip.path, Sidecar(name=clip.name))
        with self._lock:
            kept = self._kept.get(path)
        if kept is None or kept[0] != found:
            kept = (found, _read_sidecar(path))
            with self._lock:
                self._kept[path] = kept
        return Voice(clip.name, clip.path, kept[1])


def _sidecar_path(clip: Clip) -> Path:
    return clip.path.with_suffix(SIDECAR_SUFFIX)


def _read_sidecar(path: Path) -> Sidecar:
    try:
        return Sidecar.from_json(read_regular(path, MAX_SIDECAR_BYTES + 1))
    except (OSError, SidecarError) as error:
        log.warning("%s is passed over: %s", path, error)
        return Sidecar()


def _name_of(file: str) -> str | None:
    """The voice that a file is by its name, or None."""
    path = PurePath(file)
    if path.suffix.lower() not in SUFFIXES:
        return None
    try:
        return check_name(path.stem)
    except BadVoiceNameError:
        return None


def _unreadable(error: OSError) -> VoiceStorageError:
    log.error("The folder of voices cannot be read: %s", error)
    return VoiceStorageError("The stored voices cannot be read.")
