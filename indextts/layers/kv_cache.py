"""Keys and values of a running decode, whose rows come and go.

Every row has one contiguous stretch of positions: the prefix (conditioning and text), then the
codes that it has generated.  One attention call over one mask then does for a step, which on a
GPU costs half the kernels of keeping the two apart.  Where the generated positions begin is the
row's own.  The beams of a sequence are neighbours and each hold a copy of their prefix; a change
of beams moves only what lies behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
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


class KVCache:
    """Keys and values of R rows.

    Rows and positions in use are a view of what is allocated, which is kept for those who come
    later.  All that is allocated and not in use is zero, and -inf in the bias: masked positions
    get weight 0, and 0 * NaN would still be NaN.

    Args:
        shape: layers, heads, head_dim.
        dtype, device: of keys and values.

    Attributes:
        entries: [layers, 2, R, heads, T, head_dim], keys before values.
        bias: [R, 1, 1, T], what attention adds to its scores: 0 for positions that hold something,
            -inf for all others.
        start: int64 [R], where the generated positions of each row begin.
        starts: the same for the host.
        allocations: counts up whenever these tensors move to another place in memory.
    """

    def __init__(
        self, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device
    ) -> None:
        layers, heads, head_dim = shape
        self._entries = torch.zeros(layers, 2, 0, heads, 0, head_dim, dtype=dtype, device=device)
        self._bias = torch.zeros(0, 1, 1, 0, dtype=dtype, device=device)
        self._start = torch.zeros(0, dtype=torch.int64, device=device)
        self.start = self._start
        self.allocations = 0
        self._use(0, 0)
        self._set_starts([])

    @classmethod
    def open(cls, prefix: PrefixCache, beams: int, window: int) -> KVCache:
        """A cache that begins with these rows; see :meth:`join`."""
        keys = prefix.keys[0]
        cache = cls((len(prefix.keys), keys.shape[1], keys.shape[3]), keys.dtype, keys.device)
        cache.join(prefix, beams, window)
        return cache

    @property
    def rows(self) -> int:
        return self.entries.shape[2]

    @property
    def positions(self) -> int:
        """T: of prefixes and generated tokens together."""
        return self.entries.shape[4]

    @property
    def window(self) -> int:
        """Generated positions that every row has room for."""
        return self.positions - max(self.starts, default=0)

    @property
    def nbytes(self) -> int:
        """Bytes that are allocated."""
        return self._entries.nbytes + self._bias.nbytes

    def join(self, prefix: PrefixCache, beams: int, window: int) -> None:
        """Add `beams` rows a sequence that have read their prefix and nothing else.

        Args:
            prefix: of S sequences.
            beams: rows of each.
            window: generated positions that they have room for.
        """
        sequences, _, length, _ = prefix.keys[0].shape
        start, first, added = aligned(length), self.rows, sequences * beams
        self._use(first + added, max(self.positions, start + aligned(window)))
        pairs = zip(prefix.keys, prefix.values, strict=True)
        for layer, pair in zip(self.entries, pairs, strict=True):
            for part, source in zip(layer, pair, strict=True):
                part[first:].unflatten(0, (sequences, beams))[..., :length, :] = source[:, None]
        real = self.bias.new_zeros(prefix.padding.shape).masked_fill_(prefix.padding, -math.inf)
        self.bias[first:, 0, 0, :length] = real.repeat_interleave(beams, 0, output_size=added)
        self._set_starts([*self.starts, *[start] * added])

    def keep(self, rows: Sequence[int], positions: int) -> None:
        """Drop all rows but these, which keep their order, and all behind the first `positions`."""
        positions = min(aligned(positions), self.positions)
        stay = 0
        while stay < len(rows) and rows[stay] == stay:
            stay += 1
        index = torch.tensor(rows[stay:], dtype=torch.int64, device=self.bias.device)
        self.entries[..., positions:, :].zero_()
        self.bias[..., positions:].fill_(-math.inf)
        for layer in self.entries[:, :, stay:]:
            moved = layer.index_select(1, index - stay)
            layer[:, : len(index)].copy_(moved)
            layer[:, len(index) :].zero_()
        behind = self.bias[stay:]
        behind[: len(index)] = behind.index_select(0, index - stay)
        behind[len(index) :].fill_(-math.inf)
        self._use(len(rows), positions)
        self._set_starts([self.starts[row] for row in rows])

    def grow(self, positions: int) -> None:
        """Make room for `positions` in all; what is there stays."""
        if positions > self.positions:
            self._use(self.rows, aligned(positions))

    def reorder(self, parents: Tensor, first: int, last: int) -> None:
        """Row r continues what row parents[r] has said; only positions first ... last - 1 count."""
        own = self.entries[..., first:last, :]
        layer_bytes = own[0].numel() * own.element_size()
        for part in own.split(max(1, _MOVED_AT_ONCE // max(layer_bytes, 1))):
            part.copy_(part.index_select(2, parents))

    def _use(self, rows: int, positions: int) -> None:
        """Look at so many rows and positions, with more memory where that is needed."""
        have_rows, have_positions = self._entries.shape[2], self._entries.shape[4]
        if rows > have_rows or positions > have_positions:
            old, old_bias = self._entries, self._bias
            more_rows, more = max(rows, have_rows), max(positions, have_positions)
            self._entries = old.new_zeros(
                (*old.shape[:2], more_rows, old.shape[3], more, old.shape[5])
            )
            self._bias = old_bias.new_full((more_rows, 1, 1, more), -math.inf)
            self._entries[:, :, :have_rows, :, :have_positions] = old
            self._bias[:have_rows, ..., :have_positions] = old_bias
            self._start = F.pad(self._start, (0, more_rows - have_rows))
            self.start = self._start[: len(self.start)]
            self.allocations += 1
        self.entries = self._entries[:, :, :rows, :, :positions]
        self.bias = self._bias[:rows, ..., :positions]

    def _set_starts(self, starts: Sequence[int]) -> None:
        self.starts = list(starts)
        self.start = self._start[: len(starts)]
        self.start.copy_(torch.tensor(self.starts, dtype=torch.int64))
