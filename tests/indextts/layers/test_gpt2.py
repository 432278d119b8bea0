"""The GPT-2 blocks: however their weights lie in memory, they compute the same."""

from __future__ import annotations

import pytest
import torch

from indextts.layers import gpt2
from indextts.layers.gpt2 import GPT2, Conv1D, doubled, normed


@pytest.mark.parametrize("rows", [1, 3, 7, 8, 12, 32, 33, 100])
def test_the_layout_changes_no_result(rows: int) -> None:
    torch.manual_seed(rows)
    layer = Conv1D(48, 80)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(rows, 1, 48)
    with torch.inference_mode():
        expected = layer(x)
        weight = layer.weight.clone()
        assert layer.lay_out_by_output().is_contiguous()
        assert layer.weight.shape == (48, 80)
        assert torch.equal(layer.weight, weight)
        found = layer(x)
    assert found.shape == (rows, 1, 80)
    assert found.is_contiguous()
    torch.testing.assert_close(found, expected)


def test_a_large_model_is_laid_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = GPT2(16, 2, 3).requires_grad_(False)
    assert model.is_small
    model.suit_processor()
    assert all(block.mlp.c_fc.weight.is_contiguous() for block in model.blocks)
    monkeypatch.setattr(gpt2, "_CACHED_BYTES", 1000)
    assert not model.is_small
    before: list[torch.Tensor] = []
    model.suit_processor(before.append)
    assert len(before) == 12
    layers = [module for module in model.modules() if isinstance(module, Conv1D)]
    assert len(layers) == 12
    assert all(layer.weight.stride(0) == 1 for layer in layers)
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == {
        name: tuple(value.shape) for name, value in GPT2(16, 2, 3).state_dict().items()
    }


def test_a_single_row_is_doubled_on_a_processor() -> None:
    assert doubled(torch.zeros(1, 8)).shape == (2, 8)
    assert doubled(torch.zeros(3, 8)).shape == (3, 8)
    assert doubled(torch.zeros(1, 5, 8)).shape == (1, 5, 8)
    assert doubled(torch.zeros(1, 8, device="meta")).shape == (1, 8)


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 9])
def test_rows_are_normed_alike_one_by_one(rows: int) -> None:
    norm, x = torch.nn.LayerNorm(1280), torch.randn(rows, 1, 1280)
    torch.nn.init.normal_(norm.weight)
    with torch.inference_mode():
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            found = normed(norm, x)
        finally:
            torch.set_num_threads(threads)
        assert torch.equal(found, norm(x))
