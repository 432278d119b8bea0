"""Numbers as continental Europe writes them: 1.234,56 and, where a unit says so, 3,5 kg."""

from __future__ import annotations

import re
from collections.abc import Iterator

from indextts.stages.text.natural.rules import alternatives, listed
from indextts.stages.text.natural.units import CURRENCIES, GLUED_ONLY, UNITS
from indextts.stages.text.spans import Edit, Tracked

# Three digits behind the comma would be thousands.
_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d))")
_SIGN = alternatives(name for name in CURRENCIES if not name[-1].isalpha())
_HEAD = re.compile(
    rf"(?P<sign>{_SIGN} ?)?(?<![\d.,:/A-Za-z])"
    r"(?P<whole>(?P<groups>\d{1,3}(?:\.\d{3}){1,4})|\d{1,4})$"
)
_WORDS = listed(
    """
percent million billion trillion euro euros Euro Euros dollars pounds kilos kilograms grams
kilometers kilometres meters metres centimeters centimetres liters litres miles degrees
"""
)
_UNIT = alternatives((*UNITS, *CURRENCIES))
_APART = alternatives((*(set(UNITS) - GLUED_ONLY), *CURRENCIES, *_WORDS))
# A comma more makes it a list.
_TAIL = re.compile(
    r"\d{1,2}(?![\d,]|\.\d)"
    rf"(?P<unit>(?: ?[-–] ?\d{{1,4}},\d{{1,2}})?(?:{_UNIT}|[ -]{_APART})(?![A-Za-z0-9]))?"
)
# The longest head: a sign, a blank, fifteen digits and four points.
_LONGEST_HEAD = 26


def with_points(source: Tracked) -> Tracked:
    """The text with a point for each such comma, and without the points between thousands."""
    return source.apply(_edits(source.text)) if _COMMA.search(source.text) else source


def _edits(text: str) -> Iterator[Edit]:
    for comma in _COMMA.finditer(text):
        at = comma.start()
        head = _HEAD.search(text, max(0, at - _LONGEST_HEAD), at)
        tail = _TAIL.match(text, at + 1)
        if head is None or tail is None:
            continue
        price = head["sign"] and text[at + 1 : at + 3].isdecimal()
        if not (head["groups"] or tail["unit"] or price):
            continue
        for place in range(head.start("whole"), at):
            if text[place] == ".":
                yield Edit(place, place + 1, "")
        yield Edit(at, at + 1, ".")
