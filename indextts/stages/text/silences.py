"""Pauses that a text asks for: ``[pause 500ms]``, ``<break time="0.5s"/>`` and blank lines.

Each becomes one character of a private range that says how long it lasts.  Readers hand it on as a
span of its own; segments are cut there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from indextts.errors import TextError, TextFault
from indextts.stages.text.spans import Edit, Kind, Span, Tracked

# Of one mark; several in a row add up.
MAX_SILENCE_MS = 10_000
BLANK_LINE_MS = 500

# The character of a silence of n ms is n behind the first one.
_FIRST = 0xF0000
_BLANK_LINE = chr(_FIRST + MAX_SILENCE_MS + 1)
# The range of those characters, for patterns.
SILENCES = f"{chr(_FIRST)}-{_BLANK_LINE}"

_SILENCE = re.compile(f"[{SILENCES}]")
_MARK = (
    r"[\[［][ \t]{0,9}pause(?![A-Za-z])(?P<pause>[^\[\]［］\n\r]{0,40})[\]］](?!\()"
    r"|<break(?![A-Za-z])(?P<tag>[^<>\n\r]{0,200})>(?:</break>)?"
)
_LINE_END = r"(?:\r\n?+|\n)"
_ASKED = re.compile(rf"(?P<mark>{_MARK})|{_LINE_END}(?:[ \t\u3000]*+{_LINE_END})++", re.IGNORECASE)
_ASKED_BY_MARKS = re.compile(f"(?P<mark>{_MARK})", re.IGNORECASE)
_LENGTH = r"(?P<value>\d+(?:\.\d*)?|\.\d+)[ \t]*(?P<unit>m?s)"
_PAUSE_LENGTH = re.compile(rf"[ \t]*[:=：]?[ \t]*{_LENGTH}[ \t]*", re.IGNORECASE)
_BREAK_TIME = re.compile(rf"""\stime\s*=\s*(["'])\s*{_LENGTH}\s*\1""", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class MarkedText:
    """A text with a character for every silence.

    Attributes:
        tracked: knows where in the source it comes from.
        doubtful: marks that look like pauses but are read as text.
    """

    tracked: Tracked
    doubtful: tuple[str, ...] = ()


def mark_silences(text: str, *, blank_lines: bool = True) -> MarkedText:
    """Find the pauses of a text.

    Args:
        text: any text.
        blank_lines: whether these are pauses, too.

    Raises:
        TextError: a pause is longer than MAX_SILENCE_MS.
    """
    tracked = without_silences(text)
    edits: list[Edit] = []
    doubtful: dict[str, None] = {}
    for match in (_ASKED if blank_lines else _ASKED_BY_MARKS).finditer(tracked.text):
        if match["mark"] is None:
            # The line feeds keep what is before and behind on lines of their own.
            edits.append(Edit(match.start(), match.end(), f"\n{_BLANK_LINE}\n"))
            continue
        length = _asked_length(match)
        if length is not None:
            edits.append(Edit(match.start(), match.end(), chr(_FIRST + length)))
        elif match["pause"] is None or not match["pause"].strip() or _has_digit(match[0]):
            doubtful[match[0]] = None
    return MarkedText(tracked.apply(edits), tuple(doubtful))


def without_silences(text: str) -> Tracked:
    """The text without the characters that stand for silences; no text has them for any reason."""
    return Tracked(text).apply(Edit(m.start(), m.end(), "") for m in _SILENCE.finditer(text))


def _asked_length(match: re.Match[str]) -> int | None:
    """Milliseconds of a mark, rounded; None where it does not say."""
    if match["pause"] is not None:
        length = _PAUSE_LENGTH.fullmatch(match["pause"])
    else:
        length = _BREAK_TIME.search(match["tag"])
    if length is None:
        return None
    value = Fraction(length["value"].rstrip(".")) * (1 if length["unit"].lower() == "ms" else 1000)
    if value > MAX_SILENCE_MS:
        raise TextError(
            f"A pause may last {MAX_SILENCE_MS // 1000} s at most, not as long as {match[0]}; "
            "several in a row add up.",
            TextFault.PAUSE_TOO_LONG,
        )
    return round(value)


def _has_digit(text: str) -> bool:
    return any(map(str.isdecimal, text))


def doubtful_warning(mark: str) -> str:
    """A sentence for the caller about a mark that is no pause."""
    return f'{mark} is not understood as a pause; write [pause 500ms] or <break time="0.5s"/>'


def is_silence(character: str) -> bool:
    """Whether a character stands for a silence."""
    return _FIRST <= ord(character) <= ord(_BLANK_LINE)


def split_at_silences(text: str) -> Iterator[tuple[str, str]]:
    """Passages of a marked text, with the silences in front of each; the last may be empty."""
    begin, silences = 0, ""
    for match in _SILENCE.finditer(text):
        if begin < match.start():
            yield silences, text[begin : match.start()]
            silences = ""
        silences += match[0]
        begin = match.end()
    yield silences, text[begin:]


def passages(spans: Iterable[Span]) -> Iterator[tuple[str, list[Span]]]:
    """The same for spans."""
    silences, passage = "", []
    for span in spans:
        if span.kind is not Kind.SILENCE:
            passage.append(span)
            continue
        if passage:
            yield silences, passage
            silences, passage = "", []
        silences += span.text
    yield silences, passage


def silence_between(silences: str, blank_line: int) -> int | None:
    """Milliseconds of silence between two words; None where the text asks for none.

    Marks add up.  Blank lines count once, and not beside a mark.
    """
    asked = silence_at_edge(silences)
    return blank_line if asked is None and silences else asked


def silence_at_edge(silences: str) -> int | None:
    """The same at the beginning or end of a text, where blank lines mean nothing."""
    marks = [ord(character) - _FIRST for character in silences if character != _BLANK_LINE]
    return sum(marks) if marks else None
