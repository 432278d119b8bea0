"""What can be wrong with a stored voice, its name, or the folder."""

from __future__ import annotations

from collections.abc import Iterable

MAX_LISTED = 40


class VoiceError(Exception):
    """A stored voice cannot be used, added or removed.

    Attributes:
        reason: a sentence for the client; never holds a path.
        clip: "speaker" or "emotion" once it is known what the voice was wanted for, else empty.
    """

    clip = ""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadVoiceNameError(VoiceError):
    """No voice can have this name."""


class UnknownVoiceError(VoiceError):
    """There is no voice of this name.

    Args:
        name: that was asked for, checked.
        names: that are there.

    Attributes:
        name, names: the same.
    """

    def __init__(self, name: str, names: Iterable[str]) -> None:
        self.name = name
        self.names = tuple(names)
        super().__init__(f"There is no voice {name!r}; {_listed(self.names)}.")


class VoiceExistsError(VoiceError):
    """A voice was to be added under a name that is taken."""


class VoicesBusyError(VoiceError):
    """Others have been writing to the folder for too long; a later try may succeed."""


class VoiceStorageError(VoiceError):
    """The folder cannot be read or written.

    Attributes:
        full: there is no room left.
    """

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return "this server has none"
    more = len(names) - MAX_LISTED
    rest = f" and {more} more" if more > 0 else ""
    return f"there are {', '.join(names[:MAX_LISTED])}{rest}"
