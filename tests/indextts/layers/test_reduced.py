from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from indextts.config import DiTConfig
from indextts.layers import reduced
from indextts.layers.dit import FeedForward
from indextts.layers.gpt2 import GPT2, Conv1D
from indextts.layers.reduced import (
    Bf16Conv1d,
    Bf16FeedForward,
    Bf16Linear,
    Int8Linear,
    reduce_modules,
)
from indextts.quality import Weights
from indextts.stages.device import ChosenWeights, choose_weights

CPU = torch.device("cpu")


def has(weights: Weights) -> bool:
    return choose_weights(weights, CPU).format == weights


needs_bf16 = pytest.mark.skipif(not has("bf16"), reason="no bf16 instructions here")
needs_int8 = pytest.mark.skipif(not has("int8"), reason="no int8 instructions here")
# Rounding to 8 bits of mantissa is off by 2**-9 at most for each of weight, input and result; to
# 127 steps, by half of one for weight and input, of values that are a third of the largest.
BF16_ERROR, INT8_ERROR = 3 * 2**-9, 0.02

linear_kinds = pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param(Bf16Linear, BF16_ERROR, marks=needs_bf16),
        pytest.param(Int8Linear, INT8_ERROR, marks=needs_int8),
    ],
)


def reduce_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small it is."""
    monkeypatch.setattr(reduced, "LEAST_LINEAR", {"bf16": 0, "int8": 0})
    monkeypatch.setattr(reduced, "LEAST_CONV", 0)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def off(made: Tensor, expected: Tensor) -> Tensor:
    """Relative distance of each row."""
    return (made - expected).norm(dim=-1) / expected.norm(dim=-1)


@linear_kinds
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("by_input", [True, False])
def test_a_linear_map_within_the_rounding(
    kind: type[Bf16Linear] | type[Int8Linear], error: float, biased: bool, by_input: bool
) -> None:
    weight, bias = numbers(72, 48), numbers(72, seed=1) if biased else None
    x = numbers(2, 3, 48, seed=2)
    # Neither a loud row nor an output with large weights harms the others.
    x[0, 0] *= 1e4
    weight[5] *= 1e3
    if by_input:  # as GPT-2 checkpoints have it
        weight = weight.t().contiguous().t()
    y = kind(weight, bias)(x)
    assert y.dtype == torch.float32
    expected = nn.functional.linear(x, weight, bias)
    others = torch.arange(72) != 5
    assert (off(y[..., others], expected[..., others]) < error).all()


@linear_kinds
def test_rows_do_not_depend_on_each_other(
    kind: type[Bf16Linear] | type[Int8Linear], error: float
) -> None:
    layer = kind(numbers(40, 64), numbers(40, seed=1))
    x = numbers(9, 64, seed=2)
    x[4] *= 1e3
    whole = layer(x)
    for row in range(9):
        torch.testing.assert_close(layer(x[row : row + 1])[0], whole[row], rtol=1e-5, atol=1e-5)
    assert layer(x[:0]).shape == (0, 40)


@linear_kinds
def test_zeros_and_nan(kind: type[Bf16Linear] | type[Int8Linear], error: float) -> None:
    bias = numbers(40, seed=1)
    layer = kind(torch.zeros(40, 64), bias)
    x = numbers(3, 64)
    x[1] = 0
    torch.testing.assert_close(layer(x), bias.expand(3, 40))
    x[2, 7] = float("nan")
    assert layer(x)[2].isnan().all(), "what is broken stays so"
    assert layer(x)[:2].isfinite().all()


@needs_bf16
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv1d(16, 24, 5, dilation=2, padding=4),
        nn.Conv1d(16, 8, 1),
        nn.Conv1d(16, 24, 3, stride=2, bias=False),
    ],
)
@torch.no_grad()
def test_a_convolution_within_the_rounding(conv: nn.Conv1d) -> None:
    made = Bf16Conv1d(conv)
    for frames in (7, 50, 300):
        x = numbers(2, 16, frames)
        y, expected = made(x), conv(x)
        assert (y.shape, y.dtype) == (expected.shape, torch.float32)
        assert y.is_contiguous()
        assert (y - expected).norm() < BF16_ERROR * expected.norm()


@needs_bf16
@torch.no_grad()
def test_a_feed_forward_within_the_rounding() -> None:
    plain = FeedForward(DiTConfig(32, 2, 2, 80, 32))
    for seed, weight in enumerate(plain.parameters()):
        weight.copy_(numbers(*weight.shape, seed=seed) / weight.shape[1] ** 0.5)
    x = numbers(2, 70, 32, seed=9)
    made, expected = Bf16FeedForward(plain)(x), plain(x)
    assert (made.shape, made.dtype) == (expected.shape, torch.float32)
    # Two products of rounded factors, one on top of the other.
    assert (made - expected).norm() < 2 * BF16_ERROR * expected.norm()


@torch.no_grad()
def test_what_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    reduce_everything(monkeypatch)
    format = choose_weights("auto", CPU).reduced
    if format is None:
        pytest.skip("no instructions for either")
    model = nn.ModuleDict(
        {
            "stack": GPT2(16, 2, 1),
            "norm": nn.LayerNorm(16),
            "kept": nn.Sequential(nn.Linear(16, 16)),
            "depthwise": nn.Conv1d(16, 16, 3, groups=16),
            "other": nn.Sequential(nn.Linear(16, 8), nn.SiLU()),
        }
    )
    read: list[tuple[int, ...]] = []
    reduce_modules(model, format, ["kept"], lambda weight: read.append(tuple(weight.shape)))
    assert not any(isinstance(module, Conv1D) for module in model.modules())
    left = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    assert left == ["kept.0"]
    assert isinstance(model["depthwise"], nn.Conv1d)
    assert read == [(16, 48), (16, 16), (16, 64), (64, 16), (8, 16)]


def test_what_cannot_be_had_is_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    able: dict[str, bool] = {"avx512_vnni": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_weights("bf16", CPU) == ChosenWeights(
        "fp32", "this processor has no AVX512_BF16 or AMX"
    )
    assert choose_weights("fp32", CPU) == ChosenWeights("fp32")
    assert choose_weights("int8", torch.device("cuda")) == ChosenWeights("tf32")
    able["amx_bf16"] = True
    assert choose_weights("auto", CPU) == ChosenWeights("bf16")
    able.clear()
    for wanted in ("auto", "bf16", "int8"):
        assert choose_weights(wanted, CPU).format == "fp32"


@needs_bf16
@torch.no_grad()
def test_what_is_too_small_to_gain_stays() -> None:
    model = nn.Sequential(
        nn.Linear(511, 512), nn.Linear(512, 512), nn.Conv1d(192, 384, 5), nn.Conv1d(512, 1024, 1)
    )
    reduce_modules(model, "bf16")
    assert [type(module).__name__ for module in model] == [
        "Linear",
        "Bf16Linear",
        "Conv1d",
        "Bf16Conv1d",
    ]
