from __future__ import annotations

import torch

from indextts.layers.rotary import rotary_table, rotate
from tests.indextts.goldens import assert_close


def test_pairs_turn_like_complex_numbers() -> None:
    torch.manual_seed(6)
    x = torch.randn(2, 5, 3, 8)
    table = rotary_table(5, 8, 10000.0, "cpu")
    turned = (
        torch.view_as_complex(x.view(2, 5, 3, 4, 2)) * torch.complex(table.cos, table.sin)[:, None]
    )
    assert_close(rotate(x, table), torch.view_as_real(turned).flatten(-2), 1e-6)
    assert torch.equal(rotate(x, table)[:, 0], x[:, 0])


def test_angles_are_float32_products() -> None:
    table = rotary_table(2001, 64, 10000.0, "cpu")
    theta = 1.0 / 10000.0 ** (torch.arange(0, 64, 2).float() / 64)
    assert_close(table.cos[2000], (2000.0 * theta).double().cos(), 1e-6)
    exact = 2000.0 * 10000.0 ** (-torch.arange(0, 64, 2).double() / 64)
    assert (table.cos[2000] - exact.cos()).abs().max() > 1e-5
