"""Every error the engine raises on purpose.

The message of each is written for the person who runs the engine: it says what
is wrong and what to do.  It may name files and keys, so a server must not pass
it on to strangers unchecked; :class:`TextError` and :class:`AudioError` speak
about the caller's own input only and are safe to show.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class IndexTTSError(Exception):
    """Base of all errors of this package."""


class TextFault(StrEnum):
    """Why a text is refused, for programs that say it in words of their own."""

    NOTHING_TO_SPEAK = "nothing_to_speak"
    NOT_IN_WORDS = "not_in_words"
    PAUSE_TOO_LONG = "pause_too_long"
    PAUSES_TOO_LONG = "pauses_too_long"
    SPEECH_TOO_LONG = "speech_too_long"


class RefusedError(IndexTTSError, ValueError):
    """What the caller asked for cannot be spoken.

    Attributes:
        fault: the same for programs, where it has a name.
    """

    def __init__(self, message: str, fault: TextFault | None = None) -> None:
        super().__init__(message)
        self.fault = fault


class ConfigError(IndexTTSError, ValueError):
    """A configuration has an unknown key, a missing key or an unsupported value."""


class ModelFileError(IndexTTSError):
    """A file of the model directory is missing, truncated or of another model."""

    def __init__(self, path: Path | str, problem: str, hint: str = "") -> None:
        self.path = Path(path)
        self.problem = problem
        self.hint = hint
        super().__init__(f"{self.path}: {problem}" + (f" {hint}" if hint else ""))


class TextError(RefusedError):
    """The text cannot be spoken: nothing speakable in it, or it is too long."""


class AudioError(IndexTTSError, ValueError):
    """A reference clip cannot be used: undecodable, too short, silent or not finite.

    Attributes:
        clip: "speaker" or "emotion" where a synthesis refused it, else empty.
    """

    clip = ""


class RequestError(RefusedError):
    """A synthesis option is out of range or contradicts another one."""


class OutputError(IndexTTSError, ValueError):
    """The result cannot be written where, or in the format that, the caller asked for."""


class QualityUnavailableError(IndexTTSError):
    """What a class of quality needs could not be made ready; requests of the other one go on."""


class EmotionTextUnavailableError(IndexTTSError):
    """Emotion from text was asked for, but the model directory has no Qwen emotion model."""


class GenerationError(IndexTTSError):
    """The model made no usable output."""


class EmptyGenerationError(GenerationError):
    """The text-to-semantic model stopped at once, twice."""


class NonFiniteAudioError(GenerationError):
    """A stage produced NaN or infinity; the audio is never handed out."""


class CancelledError(IndexTTSError):
    """The caller cancelled the synthesis."""


class DeadlineExceededError(IndexTTSError):
    """The synthesis did not finish before the caller's deadline."""
