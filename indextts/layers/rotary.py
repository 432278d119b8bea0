"""Rotary position embedding on interleaved pairs (Su et al. 2021; s2mel.md 4.4)."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_table(positions: int, head_dim: int, base: float, device: torch.device | str) -> Tensor:
    """Turns of the positions 0 to `positions` - 1, as complex numbers of length 1.

    The angles are float32 products on purpose: the model was trained with their rounding, and
    float64 angles are off by more than 1e-4 from position 1000 on.

    Returns:
        complex64 [positions, head_dim / 2].
    """
    exponents = torch.arange(0, head_dim, 2, device=device).float() / head_dim
    theta = 1.0 / (base**exponents)
    angles = torch.outer(torch.arange(positions, device=device).float(), theta)
    return torch.complex(angles.cos(), angles.sin())


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Turn each pair (x[2i], x[2i+1]) by its position's angle.

    Args:
        x: float32 [B, T, heads, head_dim].
        table: of T positions, from :func:`rotary_table`.
    """
    # One pass over x, where cosines and sines of even and odd places take seven.
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))  # [B, T, heads, head_dim / 2]
    return torch.view_as_real(pairs * table[:, None]).flatten(-2)
