"""Keys and values of a running decode.

A sequence has a *prefix* (conditioning and text) that all its beams share, and
*generated* rows of its own per beam.  Keeping the two apart means that the
prefix is stored and read once per sequence instead of once per beam, and that a
reorder of the beams moves only what they do not have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PrefixCache:
    """Keys and values of the prefixes of S sequences, padded on the right.

    Attributes:
        keys, values: per layer [S, heads, P, head_dim].
        bias: [S, 1, 1, P], 0 for real positions and -inf for padding.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    bias: Tensor


@dataclass
class GeneratedCache:
    """Keys and values of the generated rows, preallocated for `window` positions.

    Attributes:
        keys, values: [layers, rows, heads, window, head_dim].
    """

    keys: Tensor
    values: Tensor

    @classmethod
    def allocate(
        cls,
        layers: int,
        rows: int,
        heads: int,
        window: int,
        head_dim: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> GeneratedCache:
        # Zeros, not empty: masked positions get weight 0, and 0 * NaN would still be NaN.
        shape = (layers, rows, heads, window, head_dim)
        return cls(
            torch.zeros(shape, dtype=dtype, device=device),
            torch.zeros(shape, dtype=dtype, device=device),
        )

    @property
    def window(self) -> int:
        return self.keys.shape[3]

    def grow(self, window: int) -> None:
        """Make room for `window` positions; what is there stays."""
        if window <= self.window:
            return
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            new = old.new_zeros((*old.shape[:3], window, old.shape[4]))
            new[:, :, :, : old.shape[3]] = old
            setattr(self, name, new)

    def reorder(self, parents: Tensor, used: int) -> None:
        """Row r continues what row parents[r] has said; only the first `used` positions count."""
        for cache in (self.keys, self.values):
            view = cache[:, :, :, :used]
            view.copy_(view.index_select(1, parents))
