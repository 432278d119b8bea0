"""Rotary position embedding on interleaved pairs (Su et al. 2021; s2mel.md 4.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RotaryTable:
    """Cosines and sines of ``position * theta``, float32 [positions, head_dim / 2]."""

    cos: Tensor
    sin: Tensor


def rotary_table(
    positions: int, head_dim: int, base: float, device: torch.device | str
) -> RotaryTable:
    """Angles of positions 0 to `positions` - 1.

    The angles are float32 products on purpose: the model was trained with their rounding, and
    float64 angles are off by more than 1e-4 from position 1000 on.
    """
    exponents = torch.arange(0, head_dim, 2, device=device).float() / head_dim
    theta = 1.0 / (base**exponents)
    angles = torch.outer(torch.arange(positions, device=device).float(), theta)
    return RotaryTable(angles.cos(), angles.sin())


def rotate(x: Tensor, table: RotaryTable) -> Tensor:
    """Turn each pair (x[2i], x[2i+1]) by its position's angle.

    Args:
        x: float32 [B, T, heads, head_dim].
        table: angles of T positions.
    """
    even, odd = x[..., 0::2], x[..., 1::2]  # [B, T, heads, head_dim / 2]
    cos, sin = table.cos[:, None], table.sin[:, None]  # [T, 1, head_dim / 2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
