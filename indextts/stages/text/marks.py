"""Punctuation: what each mark is for the ear, and one mark where several stand together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from indextts.stages.text.characters import PICTURE
from indextts.stages.text.silences import is_silence
from indextts.stages.text.spans import Kind, Span

ELLIPSIS = "…"
_RUN = re.compile(r"\.{2,}+|…++|[.!?。！？]++")
_OPEN = frozenset("“‘《【「『〈〔«([{（")
_CLOSE = frozenset("”》】」』〉〕»)]}）")
_BRACKETS = frozenset("()[]{}〔〕（）")
_PAUSES = frozenset("，、,;；:：—–|•●○▪■◆◦‣→·\n")
_EMOTICON = re.compile(
    r"(?:(?<![^\s.!?。！？])[:;=][-']?[)(\[\]DPpOo/|]|(?<![A-Za-z0-9])(?:[xX]D|<3|\^[_.-]?\^|T_T|>_<))"
    r"(?![A-Za-z0-9\u3400-\u9fff]|\.[A-Za-z])"
)
# A quote that is still open where the search ends; its apostrophes stand between letters.
_QUOTED = re.compile(r"(?<![^\s(“‘—])'(?=[A-Za-z0-9])(?:[^']|(?<=[A-Za-z])'(?=[A-Za-z])){0,120}$")
# The plural of "file(s)".
_PLURAL = re.compile(r"\((e?s)\)")
_STRENGTH = {Kind.PAUSE: 1, Kind.END: 2}


def read_mark(text: str, at: int) -> tuple[int, str, Kind] | None:
    """The mark at a place: where it ends, how it is written for the model, what it is.

    The words of silent signs are empty; None is for what is no mark.
    """
    character = text[at]
    if is_silence(character):
        return at + 1, character, Kind.SILENCE
    run = _RUN.match(text, at)
    if run:
        return _end_mark(text, at, run.end(), run[0])
    emoticon = _EMOTICON.match(text, at)
    if emoticon:
        return emoticon.end(), " ", Kind.WORDS
    if character == "\r":
        return at + 1, ".", Kind.END
    if character == "'":
        return _apostrophe(text, at)
    if character == '"':
        opens = not text[at - 1 : at].strip(" (“‘—\n\r") if at else True
        return at + 1, "'", Kind.OPEN if opens else Kind.CLOSE
    if character in _OPEN or character in _CLOSE:
        return _bracket(text, at)
    if character in _PAUSES:
        return _pause(text, at)
    if character == "-":
        return _hyphen(text, at)
    if character == "~":
        return at + 1, " ", Kind.WORDS
    if character == PICTURE:
        following = text[at + 1 : at + 4].lstrip(PICTURE + " ")
        begins = following[:1].isupper() or "\u3400" <= following[:1] <= "\u9fff"
        return (at + 1, ",", Kind.PAUSE) if begins else (at + 1, " ", Kind.WORDS)
    return None


def _end_mark(text: str, begin: int, end: int, run: str) -> tuple[int, str, Kind] | None:
    if run[0] == "…" or (len(run) > 1 and set(run) <= {"."}):
        return end, ELLIPSIS, Kind.END if _begins_sentence(text, end) else Kind.PAUSE
    for mark in "?？!！":
        if mark in run:
            return end, "?" if mark in "?？" else "!", Kind.END
    if run == "." and end < len(text):
        following, previous = text[end], text[begin - 1 : begin]
        if (
            following.isascii()
            and following.isalnum()
            and not (following.isupper() and previous.islower())
        ):
            return end, "", Kind.PAUSE  # inside a name: no sentence ends there
    return end, ".", Kind.END


def _begins_sentence(text: str, at: int) -> bool:
    rest = text[at : at + 8].lstrip(" \"'”’)」』")
    return not rest or (
        not (rest[0].isascii() and rest[0].islower()) and rest[0] not in ",;:，；："
    )


def _apostrophe(text: str, at: int) -> tuple[int, str, Kind]:
    """What is left of the apostrophes outside words: quotes, and plurals' genitives."""
    before, behind = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if before in ("s", "S") and behind == " " and not _QUOTED.search(text, max(0, at - 120), at):
        return at + 1, "", Kind.WORDS
    if not before.strip(" (“‘\n\r—"):
        return at + 1, "'", Kind.OPEN
    return at + 1, "'", Kind.CLOSE


def _bracket(text: str, at: int) -> tuple[int, str, Kind]:
    character = text[at]
    if character not in _BRACKETS:
        return at + 1, "'", Kind.OPEN if character in _OPEN else Kind.CLOSE
    if character in ")]":
        # The end of "file(s)" or "f(x)", which began inside a word.
        at_open = text.rfind("(" if character == ")" else "[", max(0, at - 40), at)
        inside_word = at_open > 0 and _is_latin(text[at_open - 1])
    else:
        inside_word = character in "([" and at > 0 and _is_latin(text[at - 1])
    if inside_word or character in "{}":
        plural = _PLURAL.match(text, at)
        return (plural.end(), plural[1], Kind.WORDS) if plural else (at + 1, " ", Kind.WORDS)
    return at + 1, ",", Kind.PAUSE


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _pause(text: str, at: int) -> tuple[int, str, Kind]:
    character, end = text[at], at + 1
    if character in "—–":
        while text[end : end + 1] == character:
            end += 1
    before, behind = text[at - 1 : at] if at else "", text[end : end + 1]
    if character == "·" and before.isalnum() and behind.isalnum():
        # Between the parts of a name.
        joined = behind.isalpha() and before.isascii() == behind.isascii()
        return end, "-" if joined else " ", Kind.WORDS
    return end, ",", Kind.PAUSE


def _hyphen(text: str, at: int) -> tuple[int, str, Kind]:
    end = at + 1
    while text[end : end + 1] == "-":
        end += 1
    before, behind = text[at - 1 : at] if at else "", text[end : end + 1]
    if end == at + 1 and before.isalpha() and behind.isalpha():
        joined = before.isascii() == behind.isascii()
        return end, "-" if joined else " ", Kind.WORDS
    if before.isdecimal() and behind.isdecimal():
        return end, ",", Kind.PAUSE
    if end == at + 1 and (before.isalnum() or behind.isalnum()) and not (before == behind == " "):
        return end, " " if before.isalnum() and behind.isalnum() else "", Kind.WORDS
    return end, ",", Kind.PAUSE


def join_marks(spans: Iterable[Span]) -> Iterator[Span]:
    """One mark, at most one closing and one opening quote between two words."""
    group: list[Span] = []
    spoke = False
    for span in spans:
        if span.kind in (Kind.WORDS, Kind.READING) and span.text.strip():
            yield from _joined(group, spoke=spoke, last=False)
            yield span
            group, spoke = [], True
        elif span.kind is Kind.SILENCE:
            # A quote that opens in front of it would stand alone.
            ended = [mark for mark in group if mark.kind is not Kind.OPEN]
            yield from _joined(ended, spoke=spoke, last=False)
            yield span
            group, spoke = [], False
        elif span.kind in (Kind.WORDS, Kind.READING):
            if not group:
                yield span
        elif span.text.strip():
            group.append(span)
    yield from _joined(group, spoke=spoke, last=True)


def _joined(group: list[Span], *, spoke: bool, last: bool) -> Iterator[Span]:
    if not group:
        return
    marks = [span for span in group if span.kind in _STRENGTH]
    strongest = max(marks, key=lambda span: _STRENGTH[span.kind], default=None)
    opening = [span for span in group if span.kind is Kind.OPEN]
    closing = [span for span in group if span.kind is Kind.CLOSE]
    chosen = []
    if strongest is not None and spoke and not (last and strongest.kind is Kind.PAUSE):
        chosen.append(strongest)
    if closing and spoke:
        chosen.append(closing[0])
    if opening and not last:
        chosen.append(opening[-1])
    # The first stands for the whole group in the source, whatever the order was there.
    begin, end = group[0].begin, group[-1].end
    for span in chosen:
        yield Span(span.text, begin, end, span.kind)
        begin = end
