"""The voices in a folder, as they are at this moment.

Nothing of a listing is kept, so workers and instances that share the folder see the same voices.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.voices.aliases import ALIASES, AliasFile
from app.voices.errors import (
    BadVoiceNameError,
    UnknownVoiceError,
    VoiceExistsError,
    VoiceStorageError,
)
from app.voices.files import read_regular
from app.voices.folder import SUFFIXES, Clip, Clips, clips_in, files_of, unreadable
from app.voices.names import check_name, name_key
from app.voices.sidecars import Sidecars
from app.voices.voice import Sidecar, Voice
from app.voices.writing import changing, remove_files, write_file

log = logging.getLogger(__name__)

DEFAULT_VOICE = "default"
MAX_VOICES = 1000
"""More are not taken from clients; who puts clips into the folder may have more."""


@dataclass(frozen=True)
class NewVoice:
    """A voice to be stored.

    Attributes:
        name: not checked yet.
        clip: the file; somebody has seen that it can be decoded.
        suffix: of the file's format, e.g. ".flac".
        language, description, consent: see :class:`app.voices.voice.Sidecar`.
    """

    name: str
    clip: bytes = field(repr=False)
    suffix: str
    language: str = ""
    description: str = ""
    consent: str = ""


@dataclass(frozen=True)
class Listing:
    """All voices at one moment.

    Attributes:
        voices: by name.
        aliases: further names of these voices.
        default: the voice of a client that names none; None where there is no voice.
    """

    voices: tuple[Voice, ...]
    aliases: Mapping[str, str]
    default: str | None


class VoiceStore:
    """Finds, reads and changes the stored voices; threads share it.

    Args:
        folder: with the clips, their sidecars and ``aliases.yaml``.
        fallback: name of the voice that is taken for an unknown one; empty for none.
        max_bytes: a longer clip is read only as far as to show that it is too long.
        read_only: nothing in the folder may be changed.
    """

    def __init__(
        self,
        folder: Path,
        fallback: str = "",
        max_bytes: int = 20 << 20,
        read_only: bool = False,
    ) -> None:
        self._folder = folder
        self._fallback = fallback
        self._max_bytes = max_bytes
        self._aliases = AliasFile(folder / ALIASES)
        self._sidecars = Sidecars()
        self._read_only = read_only

    @property
    def writable(self) -> bool:
        """Whether voices can be added and removed, as far as the folder is concerned."""
        missing = not self._folder.exists()  # then it is made with the first voice
        return not self._read_only and (missing or os.access(self._folder, os.W_OK))

    def names(self) -> list[str]:
        """Names of all voices, in order, without their aliases."""
        return _names(clips_in(self._folder))

    def listing(self) -> Listing:
        """All voices with what is known of them; raises VoiceStorageError."""
        clips = clips_in(self._folder)
        default = self._lookup(DEFAULT_VOICE, clips)
        return Listing(
            self._sidecars.all(sorted(clips.values(), key=lambda clip: clip.name)),
            self._living_aliases(clips),
            None if default is None else default.name,
        )

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
        return self._read(name)[1]

    def sample(self, name: str) -> tuple[Voice, bytes]:
        """The voice that :meth:`find` finds, and its clip; raises as it does."""
        clip, data = self._read(name)
        return self._sidecars.voice(clip), data

    def _read(self, name: str) -> tuple[Clip, bytes]:
        for _ in range(3):
            clip = self._find(name)
            try:
                return clip, read_regular(clip.path, self._max_bytes + 1)
            except FileNotFoundError:
                continue  # removed a moment ago, or replaced by one of another format
            except OSError as error:
                raise unreadable(error) from error
        raise UnknownVoiceError(check_name(name), self.names())

    def add(self, new: NewVoice) -> Voice:
        """Store a voice; every reader sees all of it or nothing.

        Raises:
            BadVoiceNameError: no voice can have the name.
            VoiceExistsError: the name is taken, be it by an alias.
            VoicesBusyError: others have been writing for too long.
            VoiceStorageError: the folder is full or cannot be written to.
        """
        if new.suffix not in SUFFIXES:
            raise ValueError(f"no suffix of a clip: {new.suffix}")
        name = check_name(new.name)
        sidecar = Sidecar(
            name=name,
            language=new.language,
            description=new.description,
            consent=new.consent,
            sha256=hashlib.sha256(new.clip).hexdigest(),
        )
        clip = Clip(name, self._folder, f"{name}{new.suffix}")
        beside = Path(clip.sidecar)
        self._require_writable()
        with changing(self._folder):
            self._require_free(name)
            # The clip comes last: from then on there is a voice, and it has its sidecar.
            try:
                write_file(beside, sidecar.to_json())
                write_file(clip.path, new.clip)
            except BaseException:
                remove_files([clip.path, beside])
                raise
        log.info("The voice %s was added.", name)
        return Voice(name, clip.path, sidecar)

    def remove(self, name: str) -> str:
        """Remove the voice of this very name, not of an alias; who is speaking it goes on.

        Returns:
            the name as it was stored.

        Raises:
            BadVoiceNameError, UnknownVoiceError, VoicesBusyError, VoiceStorageError: see above.
        """
        name = check_name(name)
        self._require_writable()
        with changing(self._folder):
            clips = clips_in(self._folder)
            clip = clips.get(name_key(name))
            if clip is None:
                raise UnknownVoiceError(name, _names(clips))
            # The clip goes last: where that fails, the voice is still there to be removed.
            remove_files(files_of(self._folder, name_key(name)))
        log.info("The voice %s was removed.", clip.name)
        return clip.name

    def _require_writable(self) -> None:
        if self._read_only:
            raise VoiceStorageError("The folder of the stored voices cannot be written to.")

    def _require_free(self, name: str) -> None:
        clips = clips_in(self._folder)
        key = name_key(name)
        if key in clips:
            raise VoiceExistsError(f"There is a voice {clips[key].name!r} already.")
        alias = self._aliases.current().get(key)
        if key == DEFAULT_VOICE or (alias is not None and name_key(alias.voice) in clips):
            raise VoiceExistsError(f"{name!r} stands for another voice.")
        if len(clips) >= MAX_VOICES:
            raise VoiceStorageError(f"There are {len(clips)} voices already.", full=True)

    def _find(self, name: str) -> Clip:
        clips = clips_in(self._folder)
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
            raise UnknownVoiceError(check_name(name), _names(clips))
        return found

    def _lookup(self, name: str, clips: Clips) -> Clip | None:
        """The voice of a checked name, itself or by an alias."""
        key = name_key(name)
        alias = self._aliases.current().get(key)
        if key not in clips and alias is not None:
            key = name_key(alias.voice)
        if key not in clips and name_key(name) == DEFAULT_VOICE and clips:
            return min(clips.values(), key=lambda clip: clip.name)
        return clips.get(key)

    def _living_aliases(self, clips: Clips) -> Mapping[str, str]:
        """Aliases that lead to a voice and are not the name of another."""
        found = {}
        for key, alias in self._aliases.current().items():
            clip = clips.get(name_key(alias.voice))
            if clip is not None and key not in clips:
                found[alias.name] = clip.name
        return dict(sorted(found.items()))


def _names(clips: Clips) -> list[str]:
    return sorted(clip.name for clip in clips.values())
