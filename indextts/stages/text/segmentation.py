"""Cut spoken text into what the model speaks in one go, where a person would breathe.

A segment ends with a sentence, where a sentence fits; inside one it ends with a clause, inside a
clause between words.  A reading (a number, an address) and a quote that fits are never cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from indextts.config import SegmentationConfig
from indextts.stages.text.spans import Kind, Span

_BLANKS = re.compile(" {2,}")
_BLANK_BEFORE_MARK = re.compile(" (?=[,.?!…])")
_ATOM = re.compile(r"[\u3400-\u9fff]|[^ \u3400-\u9fff]+ *| +")
# Who said it, behind a Chinese quote.
_SAYS = re.compile(r"[\u4e00-\u9fff]{1,4}?(?:说|道|问|答|喊|叫)")
_CLOSING = frozenset(".?!")
# A quote with more spans in it than this is a passage, and cut like any other text.
_LONGEST_QUOTE = 60

Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A segment's text, and the stretch of the source that it stands for."""

    text: str
    begin: int
    end: int


class Segmenter:
    """Cuts spans into segments; holds no state between calls.

    Args:
        measure: number of tokens of a spoken text.
        config: what the checkpoint was trained on.
        joint: tokens that are added where two words are joined.
    """

    def __init__(
        self, measure: Callable[[str], int], config: SegmentationConfig, joint: int = 0
    ) -> None:
        self._measure = measure
        self._config = config
        self._joint = joint

    def split(
        self, spans: Sequence[Span], max_tokens: int, quick_tokens: int, check: Callable[[], None]
    ) -> list[SpokenSegment]:
        """Segments in order.

        Args:
            spans: the spoken text.
            max_tokens: longest segment in tokens, kept strictly.
            quick_tokens: size that the first segment should not exceed, the second twice that,
                and so on, so that the first sound is soon there; 0 switches it off.
            check: asked for every clause.
        """
        limit = min(max_tokens, self._config.max_tokens or max_tokens)
        limit = max(limit - (1 if self._config.closing_mark else 0), 1)
        sentences = self._sentences(spans, check)
        return [self._segment(group) for group in self._packed(sentences, limit, quick_tokens)]

    def _segment(self, spans: Sequence[Span]) -> SpokenSegment:
        text = spoken_text(spans)
        if self._config.closing_mark:
            text = _closed(text)
        return SpokenSegment(text, spans[0].begin, spans[-1].end)

    def _sentences(self, spans: Sequence[Span], check: Callable[[], None]) -> Iterator[list[Spans]]:
        """The clauses of each sentence."""
        inside = set() if self._config.every_sentence else _inside_quotes(spans)
        sentence: list[Spans] = []
        for first, last in _clauses(spans):
            check()
            clause = tuple(spans[first:last])
            sentence.append(clause)
            ends = any(s.kind is Kind.END for s in clause) and last - 1 not in inside
            if ends and not _goes_on(spans, last):
                yield sentence
                sentence = []
        if sentence:
            yield sentence

    def _cut(self, clause: Iterable[Span], limit: int) -> Iterator[Spans]:
        """A clause that is too long, between its words."""
        group: list[Span] = []
        size = 0
        for atom in _atoms(clause):
            for piece in self._short(atom, limit):
                length = self._measure(piece.text) + self._joint
                if group and size + length > limit:
                    yield tuple(group)
                    group, size = [], 0
                group.append(piece)
                size += length
        if group:
            yield tuple(group)

    def _short(self, atom: Span, limit: int) -> Iterator[Span]:
        """A word or reading; in halves as long as it is no segment by itself."""
        if len(atom.text) < 2 or self._measure(atom.text) + self._joint <= limit:
            yield atom
            return
        cut = _middle(atom.text)
        for begin, end in ((0, cut), (cut, len(atom.text))):
            yield from self._short(_slice(atom, begin, end), limit)

    def _packed(
        self, sentences: Iterable[list[Spans]], limit: int, quick_tokens: int
    ) -> Iterator[Spans]:
        """Whole sentences as long as they fit, else clauses."""
        bound = min(quick_tokens, limit) if quick_tokens else limit
        current: list[Span] = []
        size = 0
        for clauses in sentences:
            sentence = tuple(chain.from_iterable(clauses))
            length = self._size(sentence)
            if current and (self._config.every_sentence or size + length > bound):
                yield tuple(current)
                current, size, bound = [], 0, min(bound * 2, limit)
            if length <= bound:
                current += sentence
                size += length
                continue
            for part, part_size in self._parts(clauses, limit):
                if current and size + part_size > bound:
                    yield tuple(current)
                    current, size, bound = [], 0, min(bound * 2, limit)
                current += part
                size += part_size
        if current:
            yield tuple(current)

    def _parts(self, clauses: Iterable[Spans], limit: int) -> Iterator[tuple[Spans, int]]:
        """The clauses that fit, and what the others are cut into, with their sizes."""
        for clause in clauses:
            size = self._size(clause)
            if size <= limit + self._joint:
                yield clause, size
            else:
                yield from ((piece, self._size(piece)) for piece in self._cut(clause, limit))

    def _size(self, spans: Iterable[Span]) -> int:
        """Tokens that spans take up among others."""
        return self._measure(spoken_text(spans)) + self._joint


def _clauses(spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """First and last (excluded) span of each clause; its marks and closing quotes are with it."""
    begin, marked = 0, False
    for index, span in enumerate(spans):
        if marked and span.kind is not Kind.CLOSE:
            yield begin, index
            begin, marked = index, False
        if span.kind in (Kind.END, Kind.PAUSE):
            marked = True
    if begin < len(spans):
        yield begin, len(spans)


def _goes_on(spans: Sequence[Span], index: int) -> bool:
    """Whether the sentence goes on behind a closing quote: 'Stop!' she said."""
    if index >= len(spans) or spans[index - 1].kind is not Kind.CLOSE:
        return False
    text = spans[index].text.lstrip()
    return bool(_SAYS.match(text)) or (text[:1].isascii() and text[:1].islower())


def _inside_quotes(spans: Sequence[Span]) -> set[int]:
    """Spans that stand in a quote of moderate length, its closing mark excluded."""
    inside: set[int] = set()
    opened: int | None = None
    for index, span in enumerate(spans):
        if span.kind is Kind.OPEN and (opened is None or index - opened > _LONGEST_QUOTE):
            opened = index
        elif span.kind is Kind.CLOSE and opened is not None:
            if index - opened <= _LONGEST_QUOTE:
                inside.update(range(opened, index))
            opened = None
    return inside


def _atoms(spans: Iterable[Span]) -> Iterator[Span]:
    """Words one by one; readings and marks as they are, marks with the word in front of them."""
    held: Span | None = None
    for span in spans:
        if span.kind is not Kind.WORDS:
            if span.kind in (Kind.WORDS, Kind.READING, Kind.OPEN) or held is None:
                if held is not None:
                    yield held
                held = span
            else:
                held = Span(held.text.rstrip() + span.text, held.begin, span.end, held.kind)
            continue
        for match in _ATOM.finditer(span.text):
            if held is not None:
                yield held
            held = _slice(span, match.start(), match.end())
    if held is not None:
        yield held


def _slice(span: Span, begin: int, end: int) -> Span:
    """A part of a span.  Where it is no copy of its source, each part stands for all of that."""
    text = span.text[begin:end]
    if span.kind is not Kind.READING and len(span.text) == span.end - span.begin:
        return Span(text, span.begin + begin, span.begin + end, span.kind)
    return Span(text, span.begin, span.end, span.kind)


def _middle(text: str) -> int:
    """Where a word or reading is best halved: at a blank, and rather in front of an "and" than
    behind it.
    """
    half = len(text) // 2

    def cost(place: int) -> float:
        if text.endswith(" and", 0, place):
            return 2.0 * len(text)
        near = abs(place - half)
        return near - half / 2 if text.startswith(" and ", place) else near

    blanks = (match.start() + 1 for match in re.finditer(" ", text[1:-1]))
    return min(blanks, key=cost, default=half)


def spoken_text(spans: Iterable[Span]) -> str:
    """The text of spans, with the blanks that are missing between them."""
    parts: list[str] = []
    last, kind = "", Kind.WORDS
    chinese = False  # the last word
    for span in spans:
        text = span.text
        if not text:
            continue
        if chinese and _is_han(last) and text.isspace():
            continue  # around a reading in Chinese
        if chinese and kind not in (Kind.WORDS, Kind.READING) and _is_han(text.lstrip()[:1]):
            text = text.lstrip()
        joined = span.kind is kind is Kind.WORDS
        if span.kind in (Kind.END, Kind.PAUSE, Kind.CLOSE):
            if parts:
                parts[-1] = parts[-1].rstrip()
        elif not joined and _needs_blank(last, text, span.kind):
            parts.append(" ")
        parts.append(text)
        last, kind = text[-1], span.kind
        if kind in (Kind.WORDS, Kind.READING) and text.strip():
            chinese = _is_han(text.rstrip()[-1])
    return tidy_blanks("".join(parts))


def tidy_blanks(text: str) -> str:
    """No blanks at the ends and in front of marks, and one at most elsewhere."""
    # In this order each blank is looked at once, however many there are.
    return _BLANK_BEFORE_MARK.sub("", _BLANKS.sub(" ", text)).strip()


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def _needs_blank(last: str, text: str, kind: Kind) -> bool:
    if not last or last == " ":
        return False
    if kind is Kind.OPEN:
        return last.isascii() and last != "'"
    first = text[0]
    if not (first.isascii() and first.isalnum()):
        return False
    return (last.isascii() and (last.isalnum() or last in ",.?!")) or last == "…"


def _closed(text: str) -> str:
    """The text with a full stop, a question or an exclamation mark at its end."""
    bare = text.rstrip("' ")
    if bare[-1:] in _CLOSING:
        return text
    return bare.rstrip(",…- ") + "."
