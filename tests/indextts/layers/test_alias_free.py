from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers import alias_free
from indextts.layers.alias_free import (
    MARGIN,
    AliasFreeActivation,
    double_rate,
    halve_rate,
    kaiser_taps,
)
from tests.indextts.goldens import assert_close

SPECIFIED = (
    0.00202896469,
    0.00938946567,
    -0.0255434588,
    -0.0576573834,
    0.128572583,
    0.443209797,
)


def random_taps() -> Tensor:
    """Not symmetric, so that a mirrored filter shows."""
    torch.manual_seed(3)
    return torch.randn(12)


def reference_up(x: Tensor, taps: Tensor) -> Tensor:
    """vocoder.md 3, to the letter: [N, T] -> [N, 2T]."""
    padded = F.pad(x[:, None], (5, 5), mode="replicate")
    return 2 * F.conv_transpose1d(padded, taps.view(1, 1, -1), stride=2)[:, 0, 15:-15]


def reference_down(x: Tensor, taps: Tensor) -> Tensor:
    padded = F.pad(x[:, None], (5, 6), mode="replicate")
    return F.conv1d(padded, taps.view(1, 1, -1), stride=2)[:, 0]


def reference(module: AliasFreeActivation, x: Tensor, taps: Tensor) -> Tensor:
    up = reference_up(x.flatten(0, 1), taps).view(*x.shape[:2], -1)
    alpha: Tensor = module.act.alpha
    beta: Tensor = alpha if module.act.beta is None else module.act.beta
    if module.act.logscale:
        alpha, beta = alpha.exp(), beta.exp()
    up = up + (up * alpha[:, None]).sin() ** 2 / (beta[:, None] + 1e-9)
    return reference_down(up.flatten(0, 1), taps).view_as(x)


def test_taps_are_the_specified_ones_also_under_meta() -> None:
    expected = torch.tensor(SPECIFIED + SPECIFIED[::-1])
    assert_close(kaiser_taps(), expected, 1e-7)
    with torch.device("meta"):
        assert_close(kaiser_taps(), expected, 1e-7)


@pytest.mark.parametrize("length", [1, 2, 3, 11])
def test_both_rate_changes_are_the_specified_convolutions(length: int) -> None:
    taps, x = random_taps(), torch.randn(3, length)
    even, odd = double_rate(x, tuple(taps.tolist()))
    inner = slice(MARGIN, MARGIN + length)
    doubled = torch.stack((even[:, inner], odd[:, inner]), dim=-1).flatten(1)
    assert_close(doubled, reference_up(x, taps), 1e-5)
    assert_close(halve_rate(even, odd, tuple(taps.tolist())), reference_down(doubled, taps), 3e-5)


@pytest.mark.parametrize("separate_beta", [True, False])
@pytest.mark.parametrize("logscale", [True, False])
def test_activation(separate_beta: bool, logscale: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(4)
    module = AliasFreeActivation(4, separate_beta=separate_beta, logscale=logscale)
    for value in module.parameters():
        nn.init.uniform_(value, 0.5, 1.5)
    module.requires_grad_(False).compute_buffers(torch.device("cpu"))
    x = torch.randn(2, 4, 9)
    before = x.clone()
    assert_close(module(x), reference(module, x, kaiser_taps()), 1e-5)
    assert torch.equal(x, before)
    monkeypatch.setattr(alias_free, "BLOCK", 20)  # Two rows a block.
    assert_close(module(x), reference(module, x, kaiser_taps()), 1e-5)
    monkeypatch.setattr(alias_free, "BLOCK", 1)
    assert_close(module(x), reference(module, x, kaiser_taps()), 1e-5)


def test_loaded_filters_are_used() -> None:
    module = AliasFreeActivation(2, separate_beta=True, logscale=True).requires_grad_(False)
    taps = random_taps()
    module.upsample.filter = taps.view(1, 1, 12)
    module.downsample.lowpass.filter = taps.view(1, 1, 12)
    module.compute_buffers(torch.device("cpu"))
    x = torch.randn(1, 2, 7)
    assert_close(module(x), reference(module, x, taps), 1e-4)


def test_loaded_rates_are_used() -> None:
    module = AliasFreeActivation(2, separate_beta=True, logscale=False).requires_grad_(False)
    state = module.state_dict() | {"act.alpha": torch.rand(2) + 1, "act.beta": torch.rand(2) + 1}
    nn.Sequential(module).load_state_dict({f"0.{key}": value for key, value in state.items()})
    x = torch.randn(3, 2, 7)
    assert_close(module(x), reference(module, x, kaiser_taps()), 1e-5)
    assert set(module.state_dict()) == set(state)
