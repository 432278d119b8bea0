"""New lines out of pieces of others, for the GPT.

A few thousand sentences are soon known by heart, and half of the Mandarin finals with their tones
occur a handful of times.  So half of the lines are put together: pieces around symbols that are
chosen evenly among all symbols of the language, then the end of a real sentence.  Pieces begin and
end where words (English) or syllables (Mandarin) do, and are spoken in one manner.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.alignment import is_aligned, symbol_places
from training.data.features import Item

MARKS = frozenset(",.?|")
# Symbols on either side of the one that a piece is chosen for, at least.
MIN_REACH, MAX_REACH = 1, 6


@dataclass(frozen=True, eq=False)
class Line:
    """What is said, and how.

    Attributes:
        ids: int64 [L], text ids.
        codes: int64 [n].
        places: int64 [n], the index into `ids` that each code belongs to; None if not known.
    """

    ids: Tensor
    codes: Tensor
    places: Tensor | None


def line_of(item: Item, codes: Tensor) -> Line:
    """The utterance as it is."""
    return Line(item.ids, codes, symbol_places(item, len(codes)) if is_aligned(item) else None)


def joined(lines: Sequence[Line]) -> Line:
    """One after the other; all must have places."""
    places, before = [], 0
    for line in lines:
        assert line.places is not None
        places.append(line.places + before)
        before += len(line.ids)
    return Line(
        torch.cat([line.ids for line in lines]),
        torch.cat([line.codes for line in lines]),
        torch.cat(places),
    )


def piece_of(line: Line, first: int, last: int) -> Line:
    """The symbols first...last-1 with their codes."""
    assert line.places is not None
    inside = (line.places >= first) & (line.places < last)
    return Line(line.ids[first:last], line.codes[inside], line.places[inside] - first)


def breaks(symbols: Sequence[str]) -> list[int]:
    """Where a piece may begin or end: 0, L, and between words or syllables."""
    return [
        i
        for i in range(len(symbols) + 1)
        if i in (0, len(symbols))
        or symbols[i - 1] in MARKS
        or (symbols[i - 1].startswith("-") and symbols[i] not in MARKS)
    ]


class Splicer:
    """Knows where every symbol occurs.

    Args:
        items: training utterances; those without alignment are left out.
        codes: of each by name.
    """

    def __init__(self, items: Sequence[Item], codes: Mapping[str, Tensor]) -> None:
        self._lines: list[Line] = []
        self._breaks: list[list[int]] = []
        # (language, manner) -> symbol -> (line, place) of each occurrence
        self._found: dict[tuple[str, str], dict[str, list[tuple[int, int]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for item in items:
            line = line_of(item, codes[item.name])
            if line.places is None:
                continue
            symbols = item.row.phonemes.split()
            kind = self._found[item.row.language, item.row.manner]
            for place, symbol in enumerate(symbols):
                if symbol not in MARKS:
                    kind[symbol].append((len(self._lines), place))
            self._lines.append(line)
            self._breaks.append(breaks(symbols))

    def line(self, item: Item, codes: Tensor, choose: random.Random) -> Line:
        """A line about as long as `item` that ends like it; `item` itself where nothing fits."""
        own = line_of(item, codes)
        kind = self._found.get((item.row.language, item.row.manner))
        if own.places is None or not kind:
            return own
        symbols = sorted(kind)
        start = choose.choice(breaks(item.row.phonemes.split())[:-1])
        pieces: list[Line] = []
        length = 0
        while length < start:
            index, place = choose.choice(kind[choose.choice(symbols)])
            pieces.append(self._around(index, place, choose))
            length += len(pieces[-1].ids)
        return joined([*pieces, piece_of(own, start, len(own.ids))])

    def _around(self, index: int, place: int, choose: random.Random) -> Line:
        places = self._breaks[index]
        first = place - choose.randint(MIN_REACH, MAX_REACH)
        last = place + choose.randint(MIN_REACH, MAX_REACH)
        return piece_of(
            self._lines[index],
            max((b for b in places if b <= first), default=0),
            min((b for b in places if b > last), default=places[-1]),
        )
