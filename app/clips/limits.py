"""What the settings allow of a clip, in the same words whoever decodes it."""

from __future__ import annotations

from dataclasses import dataclass

from app.clips.errors import AudioInputError, Code
from indextts.clip_bounds import USED_SECONDS

# Coders add up to a few frames at both ends: the same sound is not too long in one format only.
PADDING_SECONDS = 0.5


@dataclass(frozen=True)
class ClipLimits:
    """What the settings allow beside :mod:`indextts.clip_bounds`.

    Attributes:
        max_bytes: of the file.
        max_seconds: of the whole clip, however little of it is heard.
        max_channels: number of channels.
    """

    max_bytes: int
    max_seconds: float
    max_channels: int

    @property
    def longest(self) -> float:
        """Seconds from which on a clip is too long, whatever its coder has added."""
        return self.max_seconds + PADDING_SECONDS


def require_channels(channels: int, limits: ClipLimits) -> None:
    """Raises AudioInputError for a clip of no channels, or of too many."""
    if not 1 <= channels <= limits.max_channels:
        raise AudioInputError(
            f"the audio has more than {limits.max_channels} channels", Code.TOO_MANY_CHANNELS
        )


def too_long(limits: ClipLimits) -> AudioInputError:
    """What to raise for a clip that is longer than `limits.longest`."""
    return AudioInputError(
        f"the audio is longer than {limits.max_seconds:g} seconds; of a clip the first "
        f"{USED_SECONDS:g} are heard, and 3 to 10 serve best",
        Code.TOO_LONG,
    )
