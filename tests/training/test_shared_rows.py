"""Tables whose rows share vectors while they are trained."""

from __future__ import annotations

import torch
from torch import nn

from training.data.units import make_units
from training.nets.shared_rows import (
    code_properties,
    plain_tables,
    share_rows,
    shared_tables,
    symbol_properties,
)

SYMBOLS = ("", "-AO1", "-AO3", "-I3", "AH1", "AH0", "T")


def test_symbols_share_sound_and_tone_but_not_tone_and_stress() -> None:
    table = symbol_properties(SYMBOLS, 9)
    common = table @ table.T
    assert table.shape[0] == 9
    assert common.diagonal().tolist() == [0, 2, 2, 2, 2, 2, 1, 0, 0]
    assert common[1, 2] == 1  # the sound
    assert common[2, 3] == 1  # the tone
    assert common[1, 3] == common[1, 4] == common[5, 6] == 0
    assert common[4, 5] == 1


def test_codes_share_their_three_parts() -> None:
    units = make_units(SYMBOLS, 6)
    rows = len(units.entries()) + 2
    table = code_properties(units, rows)
    codes = units.join(torch.tensor([2, 2, 3]), torch.tensor([0, 1, 1]), torch.tensor([4, 4, 5]))
    common = table[codes] @ table[codes].T
    assert common.tolist() == [[3, 2, 0], [2, 3, 1], [0, 1, 3]]
    assert not table[-2:].any()


def test_a_shared_table_is_a_plain_one_for_everybody_else() -> None:
    torch.manual_seed(0)
    module = nn.ModuleDict({"table": nn.Embedding(7, 4), "other": nn.Linear(4, 2)})
    properties = {"table": symbol_properties(SYMBOLS, 7)}
    share_rows(module["table"], properties["table"], 1.0)
    rows = module["table"](torch.arange(7)).detach()
    plain = plain_tables(module.state_dict(), properties)
    assert plain.keys() == {"table.weight", "other.weight", "other.bias"}
    torch.testing.assert_close(plain["table.weight"], rows)
    module.load_state_dict(shared_tables(plain, properties))
    torch.testing.assert_close(module["table"](torch.arange(7)), rows)


def test_what_one_row_learns_its_relatives_know() -> None:
    table = nn.Embedding(7, 4)
    share_rows(table, symbol_properties(SYMBOLS, 7), 0.1)
    before = table(torch.arange(7)).detach()
    table(torch.tensor([1])).sum().backward()
    with torch.no_grad():
        for parameter in table.parameters():
            assert parameter.grad is not None
            parameter -= parameter.grad
    moved = (table(torch.arange(7)) - before).abs().sum(1) > 0
    assert moved.tolist() == [False, True, True, False, False, False, False]
