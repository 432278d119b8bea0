"""Lines that are put together out of pieces."""

from __future__ import annotations

import torch

from training.data.alignment import symbol_places
from training.data.splice import Line, Splicer, breaks, joined, line_of, piece_of
from training.loop import chooser
from training.steps.common import Setting


def test_pieces_break_between_words_and_syllables() -> None:
    assert breaks(["W", "AH1", "N", "|", "T", "UW1", "."]) == [0, 4, 7]
    assert breaks(["N-", "-I3", "H-", "-AO3", ",", "-I1", "."]) == [0, 2, 5, 7]


def test_a_line_cut_up_and_joined_is_the_line() -> None:
    line = Line(torch.arange(5), torch.arange(10) + 100, torch.arange(10) // 2)
    again = joined([piece_of(line, 0, 2), piece_of(line, 2, 5)])
    for name in ("ids", "codes", "places"):
        assert torch.equal(getattr(again, name), getattr(line, name))


def test_every_code_of_a_spliced_line_keeps_its_symbol(setting: Setting) -> None:
    items = [item for item in setting.train.items if len(item.ends)]
    # The code says which symbol it was made for.
    codes = {i.name: i.ids[symbol_places(i, len(i.speech))] for i in items}
    splicer = Splicer(setting.train.items, codes | _any_codes(setting))
    choose = chooser("splice")
    for item in items * 5:
        line = splicer.line(item, codes[item.name], choose)
        assert line.places is not None
        assert len(line.places) == len(line.codes)
        assert torch.equal(line.ids[line.places], line.codes)
        assert (line.places.diff() >= 0).all()
        assert line.ids[-1] == item.ids[-1]


def test_without_alignment_nothing_is_spliced(setting: Setting) -> None:
    item = next(item for item in setting.train.items if not len(item.ends))
    codes = _any_codes(setting)
    others = [other for other in setting.train.items if not len(other.ends)]
    line = Splicer(others, codes).line(item, codes[item.name], chooser(0))
    assert line.ids is item.ids
    assert line.places is line_of(item, codes[item.name]).places is None


def _any_codes(setting: Setting) -> dict[str, torch.Tensor]:
    return {
        item.name: torch.zeros(len(item.speech), dtype=torch.int64)
        for item in setting.train.items
        if not len(item.ends)
    }
