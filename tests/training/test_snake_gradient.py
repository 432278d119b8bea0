"""The gradients against numbers: differences of values, in double precision."""

from __future__ import annotations

import pytest
import torch

from training.nets import snake_gradient
from training.nets.snake_gradient import AliasFreeSnake


@pytest.mark.parametrize("block", [1, 2**16])
@pytest.mark.parametrize("length", [1, 2, 5, 17])
def test_the_gradients_are_those_of_the_values(
    length: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snake_gradient, "BLOCK", block)
    torch.manual_seed(1)
    x = torch.randn(3, length, dtype=torch.float64, requires_grad=True)
    frequency = (0.5 + torch.rand(3, 1, dtype=torch.float64)).requires_grad_()
    amplitude = (0.5 + torch.rand(3, 1, dtype=torch.float64)).requires_grad_()
    # Filters that are not symmetric, so that a mirrored one shows.
    up, down = (tuple(torch.randn(12, dtype=torch.float64).tolist()) for _ in range(2))
    torch.autograd.gradcheck(AliasFreeSnake.apply, (x, frequency, amplitude, up, down))
