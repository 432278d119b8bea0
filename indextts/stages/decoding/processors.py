"""Score processors, in the order in which they act (gpt.md 4.2).

All take float32 scores whose last axis is the vocabulary, and return new ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from indextts.sampling import SamplingOptions

# In half precision several scores often equal the k-th largest.
TIES = 16


def repetition_penalty(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make the ids in `seen` (bool, shape of `scores`) less likely, each once."""
    if penalty == 1.0:
        return scores
    return torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def top_k(scores: Tensor, k: int) -> Tensor:
    """Keep what is not below the k-th largest score; ties with it stay."""
    if k == 0:
        return scores
    threshold = torch.topk(scores, min(k, scores.shape[-1])).values[..., -1:]
    return scores.masked_fill(scores < threshold, -math.inf)


def top_p(scores: Tensor, p: float, min_keep: int) -> Tensor:
    """Drop the unlikeliest ids while they sum to no more than 1 - p, never the top `min_keep`."""
    if p >= 1.0:
        return scores
    # Stable: of equal scores always the same ones fall.
    ordered, order = torch.sort(scores, descending=False, stable=True)
    drop = ordered.softmax(-1).cumsum(-1) <= 1.0 - p
    drop[..., -min_keep:] = False
    return scores.masked_fill(drop.scatter(-1, order, drop), -math.inf)


def top_k_top_p(scores: Tensor, k: int, p: float, min_keep: int) -> Tensor:
    """:func:`top_k` and then :func:`top_p`, which then need not sort the whole vocabulary.

    Of scores that tie with the k-th largest, at most TIES stay.
    """
    vocabulary = scores.shape[-1]
    if k == 0 or p >= 1.0 or k + TIES >= vocabulary:
        return top_p(top_k(scores, k), p, min_keep)
    # In the order of the vocabulary, so that of equal scores the same ones fall as without top_k.
    order = scores.topk(k + TIES, sorted=False).indices.sort().values
    kept = top_p(top_k(scores.gather(-1, order), k), p, min_keep)
    return torch.full_like(scores, -math.inf).scatter(-1, order, kept)


def process(scores: Tensor, seen: Tensor, options: SamplingOptions) -> Tensor:
    """All processors: raw logits for one beam, log-probabilities for several."""
    scores = repetition_penalty(scores, seen, options.repetition_penalty)
    if not options.do_sample:
        return scores
    min_keep = 2 if options.num_beams > 1 else 1
    if options.temperature != 1.0:
        scores = scores / options.temperature
    k = max(options.top_k, min_keep) if options.top_k else 0
    return top_k_top_p(scores, k, options.top_p, min_keep)
