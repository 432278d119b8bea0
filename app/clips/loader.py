"""From what the client gave as audio to a decoded clip; runs in the request thread."""

from __future__ import annotations

from app.clips.decode import AudioLimits, decode_audio
from app.clips.errors import AudioInputError, DownloadTimeoutError
from app.clips.fetch.cache import DownloadCache
from app.clips.fetch.download import fetch
from app.clips.fetch.policy import FetchPolicy
from app.clips.source import UrlSource, recognise
from app.runner.engine import AudioError, ReferenceAudio
from app.web.errors import download_timeout, invalid_audio


class ReferenceLoader:
    """Fetches and decodes reference clips.

    Args:
        policy: what may be fetched.
        limits: what is decoded.
    """

    def __init__(self, policy: FetchPolicy, limits: AudioLimits) -> None:
        self._policy = policy
        self._limits = limits
        self._cache = DownloadCache(policy.cache_bytes) if policy.cache_bytes else None

    def load(self, field: str, value: str | bytes, deadline: float) -> ReferenceAudio:
        """Make a clip of `value`.

        Args:
            field: name for the error answer.
            value: text from the request, or the bytes of an uploaded file.
            deadline: value of ``time.monotonic()`` at which a download is given up.

        Raises:
            ApiError: 400 or 408.
        """
        try:
            data = value if isinstance(value, bytes) else self._bytes_of(value, deadline)
            return decode_audio(data, self._limits)
        except DownloadTimeoutError as error:
            raise download_timeout(field, error.reason) from error
        except AudioInputError as error:
            raise invalid_audio(field, error.reason, str(error.code)) from error
        except AudioError as error:
            raise invalid_audio(field, str(error)) from error

    def _bytes_of(self, value: str, deadline: float) -> bytes:
        source = recognise(value)
        if isinstance(source, UrlSource):
            return fetch(source.url, self._policy, deadline=deadline, cache=self._cache)
        return source.data
