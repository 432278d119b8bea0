from __future__ import annotations

import torch

from indextts.layers.rotary import rotary_table, rotate
from tests.indextts.goldens import assert_close


def test_pairs_turn_like_complex_numbers() -> None:
    torch.manual_seed(6)
    x = torch.randn(2, 5, 3, 8)
    table = rotary_table(5, 8, 10000.0, "cpu")
    turned = torch.empty_like(x)
    for place, angles in enumerate(table.angle()):
        cos, sin = angles.cos(), angles.sin()
        even, odd = x[:, place, :, 0::2], x[:, place, :, 1::2]
        turned[:, place, :, 0::2] = even * cos - odd * sin
        turned[:, place, :, 1::2] = even * sin + odd * cos
    assert_close(rotate(x, table), turned, 1e-6)
    assert torch.equal(rotate(x, table)[:, 0], x[:, 0])


def test_angles_are_float32_products() -> None:
    table = rotary_table(2001, 64, 10000.0, "cpu")
    theta = 1.0 / 10000.0 ** (torch.arange(0, 64, 2).float() / 64)
    assert_close(table[2000].real, (2000.0 * theta).double().cos(), 1e-6)
    exact = 2000.0 * 10000.0 ** (-torch.arange(0, 64, 2).double() / 64)
    assert (table[2000].real - exact.cos()).abs().max() > 1e-5
