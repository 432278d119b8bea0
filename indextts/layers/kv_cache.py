"""Keys and values of a running decode.

Every row has one contiguous stretch of positions: the prefix (conditioning and text), then the
codes that it has generated.  One attention call over one mask then does for a step, which on a
GPU costs half the kernels of keeping the two apart.  The beams of a sequence each hold a copy
of their prefix; a change of beams moves only what lies behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

# Attention kernels on CUDA want masks whose rows start at multiples of this many elements.
ALIGNMENT = 8
# Bytes that a change of beams moves at a time: they stay in a GPU's second-level cache between
# the copy out and the copy back, and bound the memory that this takes.
_MOVED_AT_ONCE = 16 * 2**20


def aligned(positions: int) -> int:
    """The next multiple of ALIGNMENT."""
    return -(-positions // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class PrefixCache:
    """Keys and values of the prefixes of S sequences, padded on the right.

    Attributes:
        keys, values: per layer [S, heads, P, head_dim].
        padding: bool [S, P], True where there is no prefix any more.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    padding: Tensor


@dataclass
class KVCache:
    """Keys and values of R rows, with room for `window` generated positions.

    Attributes:
        entries: [layers, 2, R, heads, start + window, head_dim], keys before values.
        bias: [R, 1, 1, start + window], what attention adds to its scores: 0 for positions that
            hold something, -inf for all others.
        start: where the generated positions begin.
    """

    entries: Tensor
    bias: Tensor
    start: int

    @classmethod
    def open(cls, prefix: PrefixCache, beams: int, window: int) -> KVCache:
        """A cache of `beams` rows a sequence that have read their prefix and nothing else."""
        sequences, heads, length, head_dim = prefix.keys[0].shape
        start, rows = aligned(length), sequences * beams
        # Zeros, not empty: masked positions get weight 0, and 0 * NaN would still be NaN.
        entries = prefix.keys[0].new_zeros(
            len(prefix.keys), 2, rows, heads, start + aligned(window), head_dim
        )
        for layer, pair in zip(entries, zip(prefix.keys, prefix.values, strict=True), strict=True):
            for part, source in zip(layer, pair, strict=True):
                part.unflatten(0, (sequences, beams))[..., :length, :] = source[:, None]
        bias = entries.new_full((rows, 1, 1, entries.shape[4]), -math.inf)
        real = entries.new_zeros(prefix.padding.shape).masked_fill_(prefix.padding, -math.inf)
        bias[:, 0, 0, :length] = real.repeat_interleave(beams, 0, output_size=rows)
        return cls(entries, bias, start)

    @property
    def window(self) -> int:
        return self.entries.shape[4] - self.start

    def grow(self, window: int) -> None:
        """Make room for `window` positions; what is there stays."""
        more = aligned(window) - self.window
        if more <= 0:
            return
        old, old_bias = self.entries, self.bias
        self.entries = old.new_zeros((*old.shape[:4], old.shape[4] + more, old.shape[5]))
        self.entries[..., : old.shape[4], :] = old
        self.bias = old_bias.new_full((*old_bias.shape[:3], self.entries.shape[4]), -math.inf)
        self.bias[..., : old.shape[4]] = old_bias

    def reorder(self, parents: Tensor, used: int) -> None:
        """Row r continues what row parents[r] has said; only the first `used` positions count."""
        own = self.entries[..., self.start : self.start + used, :]
        layer_bytes = own[0].numel() * own.element_size()
        for part in own.split(max(1, _MOVED_AT_ONCE // max(layer_bytes, 1))):
            part.copy_(part.index_select(2, parents))
