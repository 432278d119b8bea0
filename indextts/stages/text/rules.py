"""Our own rules around wetext 0.1.2, which bring its text to that of WeTextProcessing 1.0.4.1.

The grammars of the two agree nearly everywhere; what wetext does around them does not:

* it passes over texts without a digit, so that "Dr.", "A & B", addresses of the web and ``---``
  stay unread.  We run the grammars on every text (and cut the text into clauses first);
* it puts spaces around English punctuation.  The tagger knows the spaces of the text: we
  verbalise only what lies between two marks and put the marks back as they were;
* it reads English decades as seconds or as an ``S``.  We write them in words before;
* it drops blanks at the ends of a Chinese text.  We keep those at the front.

text.md 1.6; the differences that remain are counted in docs/text.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, Protocol

from indextts.stages.text.chunks import chinese_clauses, english_clauses

_VALUE = r'"(?:[^"\\]|\\.)*+"'
_TOKEN = re.compile(rf" *+(\w++) \{{ *+((?:\w++: {_VALUE} *+)++)\}} *+", re.DOTALL)
_MARK_VALUE = re.compile(rf"v: ({_VALUE})", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

# Nothing for the Chinese grammars to do: all of them begin at a digit, a letter or a symbol.
_PLAIN_CHINESE = re.compile(r"[\u3400-\u9fff\s，。！？、；：“”‘’（）《》【】「」…]*+")

_DECADE = re.compile(r"(?<![A-Za-z0-9.,$€£¥])(1\d|20)(\d)0s\b")
_LONG_NUMBER = re.compile(r"(?<![A-Za-z0-9.,:/$€£¥#@+-])\d{18,}+(?![A-Za-z0-9.,:/%@+-])")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_CENTURIES = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_DECADES = (
    *("hundreds", "tens", "twenties", "thirties", "forties"),
    *("fifties", "sixties", "seventies", "eighties", "nineties"),
)


class Grammar(Protocol):
    """The steps of wetext on one clause; the tagged form is ``name { key: "value" } ...``."""

    def tag(self, text: str, language: Literal["zh", "en"]) -> str: ...

    def verbalize(self, tagged: str, language: Literal["zh", "en"]) -> str: ...

    def simplify(self, text: str) -> str:
        """Traditional Chinese characters to simplified ones."""
        ...

    def half_width(self, text: str) -> str:
        """Full-width characters to half-width ones."""
        ...


@dataclass(frozen=True)
class _Token:
    """Something to read in tagged form, or a punctuation mark as it stands in the text."""

    text: str
    is_mark: bool


def read_chinese(grammar: Grammar, text: str, check: Callable[[], None]) -> str:
    """The text in words; `check` is asked for every clause.

    Raises:
        ValueError: the grammar gave no well-formed answer.
    """
    parts = []
    for clause in chinese_clauses(text):
        check()
        parts.append(_chinese_clause(grammar, clause))
    return "".join(parts).rstrip(" ")


def _chinese_clause(grammar: Grammar, clause: str) -> str:
    core = clause.strip()
    if not core:
        return clause
    begin = clause.index(core)
    spoken = grammar.simplify(core)
    if not _PLAIN_CHINESE.fullmatch(spoken):
        tagged = grammar.tag(spoken, "zh")
        _check(tagged)
        spoken = grammar.verbalize(tagged, "zh")
    return clause[:begin] + grammar.half_width(spoken) + clause[begin + len(core) :]


def read_english(grammar: Grammar, text: str, check: Callable[[], None]) -> str:
    """The text in words; `check` is asked for every clause.

    Raises:
        ValueError: the grammar gave no well-formed answer.
    """
    return _assemble(
        grammar, _english_tokens(grammar, read_decades(read_long_numbers(text)), check)
    )


def _english_tokens(grammar: Grammar, text: str, check: Callable[[], None]) -> Iterator[_Token]:
    for clause in english_clauses(text):
        check()
        core = clause.strip(" ")
        tokens = list(_parse(grammar.tag(core, "en"))) if core else []
        if tokens and tokens[-1].is_mark:
            # The tagger drops the blanks at the end of a clause; between two they belong here.
            blanks = clause[len(clause.rstrip(" ")) :]
            tokens[-1] = _Token(tokens[-1].text + blanks, is_mark=True)
        yield from tokens


def _assemble(grammar: Grammar, tokens: Iterator[_Token]) -> str:
    parts: list[str] = []
    spoke = False
    for is_mark, group in groupby(tokens, key=lambda token: token.is_mark):
        texts = [token.text for token in group]
        if is_mark:
            parts += texts
        else:
            if parts and not spoke:
                parts.append(" ")  # so does the original behind marks at the very beginning
            parts.append(grammar.verbalize(" ".join(texts), "en"))
            spoke = True
    return "".join(parts).rstrip(" ")


def read_long_numbers(text: str) -> str:
    """Digits beyond any quantity one by one, as the grammar has them, at none of its cost."""
    return _LONG_NUMBER.sub(lambda match: " ".join(_DIGITS[int(d)] for d in match[0]), text)


def read_decades(text: str) -> str:
    """The years 1000s to 1990s and 2000s in words: "the 1980s" -> "the nineteen eighties"."""

    def spoken(match: re.Match[str]) -> str:
        century, decade = int(match[1]), int(match[2])
        if century == 20:
            return "two thousands" if decade == 0 else match[0]
        return f"{_CENTURIES[century - 10]} {_DECADES[decade]}"

    return _DECADE.sub(spoken, text)


def _parse(tagged: str) -> Iterator[_Token]:
    _check(tagged)
    for match in _TOKEN.finditer(tagged):
        value = _MARK_VALUE.match(match[2]) if match[1] == "p" else None
        if value is None:
            yield _Token(match[0].strip(), is_mark=False)
        else:
            yield _Token(_ESCAPED.sub(r"\1", value[1][1:-1]), is_mark=True)


def _check(tagged: str) -> None:
    """wetext's own parser never ends on a tagged text that is cut off."""
    end = 0
    while (match := _TOKEN.match(tagged, end)) is not None:
        end = match.end()
    if not tagged or end != len(tagged):
        raise ValueError(f"the grammar gave no well-formed answer: {tagged[end : end + 80]!r}")
