"""How much work texts are, before anybody has read them, and how fast the engine does it."""

from __future__ import annotations

import math

# Clips, prefixes and pauses cost as much as a few words do.
OVERHEAD = 20.0
# Until a text has been spoken nobody knows: about a sentence in two seconds.
FIRST_PACE = 0.02
_MEMORY = 0.8
# How much of its own time an engine remembers when it tells how much sound it makes.
_MEMORY_SECONDS = 60.0
# Less work than this tells nothing.
_LEAST_SECONDS = 5.0


def work_of(text: str, speed: float = 1.0) -> float:
    """The work that a text is: its bytes of UTF-8, in which a Chinese syllable has three.

    Args:
        text: to be spoken.
        speed: factor on the pace.  The codes are the same ones at any pace; what makes sound of
            them, about half of the work, has as many frames as the sound is long.
    """
    return OVERHEAD + len(text.encode("utf-8", "replace")) * (0.5 + 0.5 / speed)


class Pace:
    """Seconds that the engine is busy for a unit of work, of late.  For one thread at a time."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._work = 0.0

    @property
    def value(self) -> float:
        """Seconds for a unit of work."""
        return self._seconds / self._work if self._work else FIRST_PACE

    def add(self, seconds: float, work: float) -> None:
        """The engine was busy for `seconds`, and then `work` was done."""
        self._seconds = _MEMORY * self._seconds + seconds
        self._work = _MEMORY * self._work + work


class Throughput:
    """Seconds of sound that the engine makes in a second, of late.  For one thread at a time.

    Requests count by the time that they take: many short ones, most of whose time is not for
    sound, say little about what a long one would take.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._sound = 0.0

    @property
    def value(self) -> float:
        """Seconds of sound in a second; endless while too little is known."""
        return self._sound / self._seconds if self._seconds >= _LEAST_SECONDS else math.inf

    def add(self, seconds: float, sound: float) -> None:
        """The engine was busy for `seconds`, and then `sound` seconds were there."""
        kept = math.exp(-seconds / _MEMORY_SECONDS)
        self._seconds = kept * self._seconds + seconds
        self._sound = kept * self._sound + sound
