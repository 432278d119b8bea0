"""What a rule is: where it applies, what is read there, and examples that the tests try."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

# A reading, or None where the rule does not apply after all.
Read = Callable[[re.Match[str]], "str | None"]


@dataclass(frozen=True)
class Rule:
    """One way to read something.

    Attributes:
        name: of what is read.
        pattern: matched at a place of the text; every repetition in it is bounded or possessive,
            so that no text can make it run away.
        read: gives the words.
        examples: written -> spoken by the whole reader.
    """

    name: str
    pattern: re.Pattern[str]
    read: Read
    examples: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule has read the text up to `end` as `words`."""

    end: int
    words: str


def first_hit(rules: Iterable[Rule], text: str, at: int) -> Hit | None:
    """The reading of the first rule of the table that applies at a place."""
    for rule in rules:
        match = rule.pattern.match(text, at)
        if match is not None and match.end() > at:
            words = rule.read(match)
            if words is not None:
                return Hit(match.end(), words)
    return None


def before(match: re.Match[str], length: int = 24) -> str:
    """The text in front of a match."""
    return match.string[max(0, match.start() - length) : match.start()]


def after(match: re.Match[str], length: int = 24) -> str:
    """The text behind a match."""
    return match.string[match.end() : match.end() + length]


def alternatives(words: Iterable[str]) -> str:
    """A pattern for one of `words`, the longest first."""
    ordered: Sequence[str] = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(map(re.escape, ordered)) + ")"


def listed(text: str) -> tuple[str, ...]:
    """The words of a table that is written as text."""
    return tuple(text.split())
