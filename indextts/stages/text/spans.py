"""What the steps of the natural reader hand on: text that knows where it came from."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a span is for the ear, which is also where a segment may end."""

    WORDS = auto()  # words as they stand
    READING = auto()  # put into words by a rule; never cut inside
    END = auto()  # ends a sentence
    PAUSE = auto()  # ends a clause
    OPEN = auto()  # quote or bracket
    CLOSE = auto()
    SILENCE = auto()  # a pause that the text asks for


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of spoken text.

    Attributes:
        text: as it is spoken.
        begin, end: the stretch of the source that it stands for.
        kind: see :class:`Kind`.
    """

    text: str
    begin: int
    end: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Edit:
    """``text[begin:end]`` becomes `new`."""

    begin: int
    end: int
    new: str


@dataclass(frozen=True, eq=False)
class Tracked:
    """A text and the place of each of its characters in the source.

    Attributes:
        text: as far as the steps have come.
        origin: one place a character and the source's length at the end; None where the text is
            still the source.
    """

    text: str
    origin: Sequence[int] | None = None

    def place(self, index: int) -> int:
        """Where in the source ``text[index]`` comes from."""
        return index if self.origin is None else self.origin[index]

    def apply(self, edits: Iterable[Edit]) -> Tracked:
        """The text with `edits`, which are in order and do not overlap."""
        parts: list[str] = []
        places = array("l")
        origin: Sequence[int] = range(len(self.text) + 1) if self.origin is None else self.origin
        done = 0
        for edit in edits:
            parts += (self.text[done : edit.begin], edit.new)
            places.extend(origin[done : edit.begin])
            places.extend([origin[edit.begin]] * len(edit.new))
            done = edit.end
        if not parts:
            return self
        parts.append(self.text[done:])
        places.extend(origin[done:])
        return Tracked("".join(parts), places)
