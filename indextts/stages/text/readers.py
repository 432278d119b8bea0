"""The seam between the ways to read a text: text in, spans of spoken text out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from indextts.errors import ConfigError
from indextts.request import NORMALIZATIONS, Normalization
from indextts.stages.text.characters import CharacterFolder
from indextts.stages.text.marks import join_marks, read_mark
from indextts.stages.text.normalizer import TextNormalizer, is_read_as_chinese
from indextts.stages.text.silences import split_at_silences
from indextts.stages.text.spans import Kind, Span

# What may be a mark.
_SIGN = re.compile(r"[^\w ]|_")

Check = Callable[[], None]


class Reader(Protocol):
    """Makes a text spoken.  Safe for many threads."""

    def read(self, text: str, check: Check) -> list[Span]:
        """The spans in order.

        Args:
            text: any text without half surrogates.
            check: asked every few clauses; raises what ends the work.
        """
        ...


class PlainReader:
    """Leaves the words as they are and only brings characters and marks to the vocabulary's."""

    def __init__(self, folder: CharacterFolder) -> None:
        self._folder = folder

    def read(self, text: str, check: Check) -> list[Span]:
        return list(join_marks(self._spans(text, check)))

    def _spans(self, text: str, check: Check) -> Iterator[Span]:
        folded = self._folder.fold(text)
        plain = folded.text
        begin = at = 0
        while (sign := _SIGN.search(plain, at)) is not None:
            at = sign.start()
            mark = read_mark(plain, at)
            if mark is None:
                at += 1
                continue
            check()
            end, words, kind = mark
            if begin < at:
                yield _span(folded.place(begin), folded.place(at), plain[begin:at])
            yield Span(words, folded.place(at), folded.place(end), kind)
            begin = at = end
        if begin < len(plain):
            yield _span(folded.place(begin), folded.place(len(plain)), plain[begin:])


class ReferenceReader:
    """The reference's normaliser; its spans do not know where in the source they come from.

    Args:
        normalizer: gives the spoken text.
        plain: finds the marks in it.
    """

    def __init__(self, normalizer: TextNormalizer, plain: PlainReader) -> None:
        self.normalizer = normalizer
        self._plain = plain

    def read(self, text: str, check: Check) -> list[Span]:
        spans: list[Span] = []
        for silences, passage in self.passages(text, check):
            spans += (Span(silence, 0, 0, Kind.SILENCE) for silence in silences)
            spans += self._plain.read(passage, check)
        return spans

    def passages(self, text: str, check: Check) -> Iterator[tuple[str, str]]:
        """The spoken text between silences, with the silences in front of it."""
        chinese = is_read_as_chinese(text)
        for silences, passage in split_at_silences(text):
            if passage.strip():
                passage = self.normalizer.normalize(passage, check, chinese=chinese)
            yield silences, passage


def check_normalization(name: str) -> Normalization:
    """The name, checked; raises ConfigError."""
    for known in NORMALIZATIONS:
        if name == known:
            return known
    raise ConfigError(f"normalization: {name!r} is none of {', '.join(NORMALIZATIONS)}")


def _span(begin: int, end: int, text: str) -> Span:
    return Span(text, begin, end, Kind.WORDS)
