"""Reads sidecars, each again only when its file has changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from app.voices.files import Signature, read_regular, signature
from app.voices.folder import Clip
from app.voices.voice import MAX_SIDECAR_BYTES, Sidecar, SidecarError, Voice

log = logging.getLogger(__name__)


class Sidecars:
    """What sidecars say; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Signature, Sidecar]] = {}

    def all(self, clips: Iterable[Clip]) -> tuple[Voice, ...]:
        """The voices of all clips of the folder; what is kept of others goes."""
        found = [(clip, clip.sidecar) for clip in clips]
        voices = tuple(self._voice(clip, path) for clip, path in found)
        paths = {path for _, path in found}
        with self._lock:
            for gone in self._kept.keys() - paths:
                del self._kept[gone]
        return voices

    def voice(self, clip: Clip) -> Voice:
        """The voice of a clip; a sidecar that cannot be used is reported in the log, once."""
        return self._voice(clip, clip.sidecar)

    def _voice(self, clip: Clip, path: str) -> Voice:
        found = signature(path)
        if found is None:
            return Voice(clip.name, clip.path, Sidecar(name=clip.name))
        with self._lock:
            kept = self._kept.get(path)
        if kept is None or kept[0] != found:
            kept = (found, _read(path))
            with self._lock:
                self._kept[path] = kept
        return Voice(clip.name, clip.path, kept[1])


def _read(path: str) -> Sidecar:
    try:
        return Sidecar.from_json(read_regular(path, MAX_SIDECAR_BYTES + 1))
    except (OSError, SidecarError) as error:
        log.warning("%s is passed over: %s", path, error)
        return Sidecar()
