"""The GPT-2 block stack (gpt.md 2.3), without position table: positions come with the input.

It runs in two ways: over whole sequences (`forward`, `prefill`), and one position at a time
against a cache (`step`), which is a function of tensors without any host synchronisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers.kv_cache import KVCache, PrefixCache

NORM_EPS = 1e-5
# Numbers of rows for which weights that lie by output are best multiplied from the left.
_TURNED_ROWS = range(4, 65)
# Rows that a processor normalises faster one by one: a single one is not shared between threads,
# which take longer to wake than to work.
_NORMED_ALONE = range(2, 9)
# Weights of a stack that stay in a processor's caches between two steps.
_CACHED_BYTES = 64 * 2**20


class Conv1D(nn.Module):
    """A linear map whose weight has the shape [in, out], as in GPT-2 checkpoints.

    On a processor a row's result is the same in every bit whatever rows are beside it, as long as
    the weight lies as it has come (seen with MKL; a single row has kernels of its own and is
    therefore doubled).
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_dim, out_dim))
        self.bias = nn.Parameter(torch.empty(out_dim))

    def lay_out_by_output(self) -> Tensor:
        """Keep what belongs to one output together in memory; shape and values stay.

        A processor reads the weights of a step with two or three rows in two thirds of the time
        then.

        Returns:
            The weight as it was.
        """
        before = self.weight.data
        self.weight.data = before.t().contiguous().t()
        return before

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        if self.weight.stride(0) == 1 and len(rows) in _TURNED_ROWS:
            # The weight as the left factor: other kernels, made for few columns.
            flat = torch.addmm(self.bias[:, None], self.weight.t(), rows.t()).t().contiguous()
        else:
            flat = torch.addmm(self.bias, doubled(rows), self.weight)[: len(rows)]
        return flat.reshape(*x.shape[:-1], -1)


def doubled(rows: Tensor) -> Tensor:
    """A single row [1, D] on a processor twice, everything else as it is."""
    if rows.dim() == 2 and len(rows) == 1 and rows.device.type == "cpu":
        return rows.expand(2, -1)
    return rows


def normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """A norm of the rows of a step [R, 1, D]; the same in every bit as all at once."""
    if x.device.type != "cpu" or len(x) not in _NORMED_ALONE or torch.get_num_threads() == 1:
        return norm(x)
    return torch.cat([norm(row) for row in x.split(1)])


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.c_attn = Conv1D(dim, 3 * dim)
        self.c_proj = Conv1D(dim, dim)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, T, D] -> query, key, value, each [B, H, T, head_dim]."""
        q, k, v = self.c_attn(x).chunk(3, dim=-1)
        shape = (self.heads, self.head_dim)
        return (
            q.unflatten(-1, shape).transpose(1, 2),
            k.unflatten(-1, shape).transpose(1, 2),
            v.unflatten(-1, shape).transpose(1, 2),
        )

    def causal(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of whole sequences, [B, H, T, head_dim] each -> [B, T, D]."""
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(mixed.transpose(1, 2).flatten(2))

    def step(self, x: Tensor, entry: Tensor, bias: Tensor, index: Tensor) -> Tensor:
        """Attention of one new position per row over all that the row has read.

        Args:
            x: [R, 1, D].
            entry: this layer's keys and values [2, R, H, T, head_dim]; written at `index`.
            bias: [R, 1, 1, T], added to the scores.
            index: int64 [2, R, H, 1, head_dim], each row's position among the T.

        Returns:
            [R, 1, D].
        """
        qkv = self.c_attn(x).view(len(x), 3, self.heads, self.head_dim)
        q, new = qkv[:, 0, :, None], qkv[:, 1:].transpose(0, 1)[:, :, :, None]
        entry.scatter_(3, index, new)
        mixed = F.scaled_dot_product_attention(q, entry[0], entry[1], attn_mask=bias)
        return self.c_proj(mixed.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.c_fc = Conv1D(dim, 4 * dim)
        self.c_proj = Conv1D(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, heads)
        self.ln_2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = MLP(dim)


class GPT2(nn.Module):
    """`layers` blocks and the closing norm."""

    def __init__(self, dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self.h = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(dim, eps=NORM_EPS)
        self.dim, self.heads = dim, heads

    @property
    def blocks(self) -> list[Block]:
        return cast("list[Block]", list(self.h))

    @property
    def is_small(self) -> bool:
        """Whether a processor keeps the weights in its caches: steps are bound by their many small
        calls then, not by reading."""
        layers = [module for module in self.modules() if isinstance(module, Conv1D)]
        return 0 < sum(layer.weight.nbytes for layer in layers) < _CACHED_BYTES

    def suit_processor(self, replaced: Callable[[Tensor], object] = lambda weight: None) -> None:
        """Lay the weights out as a processor, not a GPU, reads them best.

        Args:
            replaced: called with each weight that has been copied and is not needed any more.
        """
        if self.is_small:
            return
        for module in self.modules():
            if isinstance(module, Conv1D):
                replaced(module.lay_out_by_output())

    def forward(self, x: Tensor) -> Tensor:
        """Whole sequences, causal: [B, T, D] -> [B, T, D]. Padding belongs on the right."""
        for block in self.blocks:
            x = x + block.attn.causal(*block.attn.project(block.ln_1(x)))
            x = x + block.mlp(block.ln_2(x))
        return self.ln_f(x)

    def prefill(self, x: Tensor, lengths: Tensor) -> PrefixCache:
        """Keys and values of prefixes [S, P, D], padded on the right to `lengths` [S]."""
        keys, values = [], []
        for block in self.blocks:
            q, k, v = block.attn.project(block.ln_1(x))
            keys.append(k.contiguous())
            values.append(v.contiguous())
            x = x + block.attn.causal(q, k, v)
            x = x + block.mlp(block.ln_2(x))
        padding = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]
        return PrefixCache(tuple(keys), tuple(values), padding)

    def step(self, x: Tensor, cache: KVCache, position: Tensor) -> Tensor:
        """One new position per row.

        Args:
            x: embeddings [R, D] of the tokens to read.
            cache: keys and values of the rows; written at `position`.
            position: int64 [R], or a scalar tensor for all rows: the index of this token among
                those that the row has generated.

        Returns:
            hidden states [R, D] after the closing norm.
        """
        index = (position + cache.start)[:, None, None, None]  # [R, 1, 1, 1]
        cache.bias.scatter_(3, index, 0.0)
        index = index.expand(2, -1, self.heads, 1, self.dim // self.heads)
        x = x[:, None]  # [R, 1, D]
        for block, entry in zip(self.blocks, cache.entries, strict=True):
            x = x + block.attn.step(normed(block.ln_1, x), entry, cache.bias, index)
            x = x + block.mlp(normed(block.ln_2, x))
        return normed(self.ln_f, x)[:, 0]
