"""Guided attention: some heads of the GPT are told where in the text to look.

A small GPT finds out by itself that codes follow the text from left to right, but only after
many hours.  Where the ends of the phonemes are known, two heads of the middle layer are trained to
look at the symbol that is being spoken and at the next one (after Tachibana et al. 2018, whose
guide is a diagonal), and so are two of the layer before it: what those found for the last codes
tells the middle layer where it is, also where a sound occurs twice.  Nothing of this is left in the
model but its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from indextts.layers.gpt2 import GPT2

GUIDED_HEADS = 2


@dataclass(frozen=True, eq=False)
class Path:
    """Where a row's guided heads should look.

    Attributes:
        start: first query, the row of START.
        keys: int64 [n + 1, GUIDED_HEADS], a position of the sequence for each query and head.
    """

    start: int
    keys: Tensor


@dataclass(frozen=True, eq=False)
class Look:
    """Queries and keys of the guided layer, [B, H, T, head_dim] each."""

    queries: Tensor
    keys: Tensor


def text_path(places: Tensor | None, conditions: int, start: int) -> Path | None:
    """The path of a line; None where its alignment is not known.

    Args:
        places: int64 [n], the symbol of each code.
        conditions: rows before the text's start mark.
        start: rows before START.
    """
    if places is None:
        return None
    # START is read before anything is spoken: it looks where the first code will.
    places = F.pad(places, (1, 0))
    first = conditions + 1
    return Path(start, first + torch.stack((places, places + 1), dim=-1))


def guided(stack: GPT2, x: Tensor) -> tuple[Tensor, list[Look]]:
    """The stack's own result for [B, T, D], and what its guided layers ask and offer."""
    middle = len(stack.blocks) // 2
    looks = []
    for index, block in enumerate(stack.blocks):
        q, k, v = block.attn.project(block.ln_1(x))
        if index in (middle - 1, middle):
            looks.append(Look(q, k))
        x = x + block.attn.causal(q, k, v)
        x = x + block.mlp(block.ln_2(x))
    return stack.ln_f(x), looks


def guidance_loss(look: Look, paths: Sequence[Path | None]) -> Tensor:
    """Mean negative log of the attention that the guided heads pay to where they should look."""
    heads = min(GUIDED_HEADS, look.queries.shape[1])
    total = look.queries.new_zeros((), dtype=torch.float32)
    count = 0
    for row, path in enumerate(paths):
        if path is None:
            continue
        end = path.start + len(path.keys)
        q = look.queries[row, :heads, path.start : end]  # [h, n, head_dim]
        k = look.keys[row, :heads, :end]
        scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])  # [h, n, end]
        order = torch.arange(end, device=scores.device)
        scores = scores.masked_fill(order > order[path.start :, None], -math.inf)
        wanted = path.keys[:, :heads].T.to(scores.device)
        total = total + F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction="sum")
        count += wanted.numel()
    return total / max(1, count)
