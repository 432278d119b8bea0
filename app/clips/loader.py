"""From what the client gave as a clip to decoded sound; runs in the request thread."""

from __future__ import annotations

from typing import Literal

from app.clips.decode import ClipLimits, decode_audio
from app.clips.errors import ClipError
from app.clips.fetch.download import fetch
from app.clips.fetch.policy import FetchPolicy
from app.clips.source import UrlSource, recognise
from app.runner.engine import ReferenceAudio

# What a clip is for.
Role = Literal["speaker", "emotion"]


class ClipLoader:
    """Fetches and decodes reference clips.

    Args:
        policy: what may be fetched.
        limits: what is decoded.
    """

    def __init__(self, policy: FetchPolicy, limits: ClipLimits) -> None:
        self._policy = policy
        self._limits = limits

    def load(self, role: Role, value: str | bytes, deadline: float) -> ReferenceAudio:
        """Make a clip of `value`.

        Args:
            role: what the clip is for; an error carries it.
            value: text from the request, or the bytes of an uploaded file.
            deadline: value of ``time.monotonic()`` at which a download is given up.

        Raises:
            ClipError: it cannot be used, or could not be fetched in time.
        """
        try:
            data = value if isinstance(value, bytes) else self._bytes_of(value, deadline)
            return decode_audio(data, self._limits)
        except ClipError as error:
            error.clip = role
            raise

    def _bytes_of(self, value: str, deadline: float) -> bytes:
        source = recognise(value)
        if isinstance(source, UrlSource):
            return fetch(source.url, self._policy, deadline=deadline)
        return source.data
