"""From what the client gave as a clip to decoded sound; runs in the request thread."""

from __future__ import annotations

from typing import Literal

from app.clips.decode import decode_audio
from app.clips.errors import ClipError
from app.clips.fetch.download import fetch
from app.clips.fetch.policy import FetchPolicy
from app.clips.limits import ClipLimits
from app.clips.source import UrlSource, VoiceSource, recognise
from app.places import Places
from app.runner.engine import ReferenceAudio
from app.voices.errors import VoiceError
from app.voices.store import VoiceStore

# What a clip is for.
Role = Literal["speaker", "emotion"]


class ClipLoader:
    """Fetches and decodes reference clips.

    Args:
        policy: what may be fetched.
        limits: what is decoded.
        places: how many downloads may run.
        voices: the stored ones.
    """

    def __init__(
        self, policy: FetchPolicy, limits: ClipLimits, places: Places, voices: VoiceStore
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._places = places
        self._voices = voices

    def load(self, role: Role, value: str | bytes, deadline: float, caller: str) -> ReferenceAudio:
        """Make a clip of `value`.

        Args:
            role: what the clip is for; an error carries it.
            value: text from the request, or the bytes of an uploaded file.
            deadline: value of ``time.monotonic()`` at which a download is given up.
            caller: whose downloads are counted together.

        Raises:
            ClipError: it cannot be used, or could not be fetched in time.
            PlacesFullError: it would be one download too many.
            VoiceError: a stored voice is named that is not there or cannot be read.
        """
        try:
            data = value if isinstance(value, bytes) else self._bytes_of(value, deadline, caller)
            return decode_audio(data, self._limits)
        except (ClipError, VoiceError) as error:
            error.clip = role
            raise

    def _bytes_of(self, value: str, deadline: float, caller: str) -> bytes:
        source = recognise(value)
        if isinstance(source, UrlSource):
            with self._places.take(caller):
                return fetch(source.url, self._policy, deadline=deadline)
        if isinstance(source, VoiceSource):
            return self._voices.read(source.name)
        return source.data
