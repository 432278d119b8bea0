"""Score processors, in the order in which they act (gpt.md 4.2).

All take float32 scores whose last axis is the vocabulary, and return new ones.  Sequences of a
batch may differ in every option: numbers come as tensors, and what the whole batch does without is
left out (:class:`Plan`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indextts.sampling import SamplingOptions

# In half precision several scores often equal the k-th largest.
TIES = 16


@dataclass(frozen=True)
class RowOptions:
    """The options of S sequences.

    Attributes:
        penalty: float32 [S], for repetitions.
        temperature: float32 [S].
        top_k: int64 [S].
        tail: float32 [S], the probability that top-p may drop; below 0 it drops nothing.
        length_penalty: float32 [S].
    """

    penalty: Tensor
    temperature: Tensor
    top_k: Tensor
    tail: Tensor
    length_penalty: Tensor

    @classmethod
    def of(
        cls, options: Sequence[SamplingOptions], vocabulary: int, device: torch.device | str = "cpu"
    ) -> RowOptions:
        """Tensors of the options, one a sequence."""

        def row(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        kept = [_kept(one) or vocabulary for one in options]
        return cls(
            penalty=row([one.repetition_penalty for one in options]),
            temperature=row([one.temperature for one in options]),
            top_k=torch.tensor(kept, dtype=torch.int64, device=device),
            tail=row([1.0 - one.top_p if one.top_p < 1.0 else -1.0 for one in options]),
            length_penalty=row([one.length_penalty for one in options]),
        )


@dataclass(frozen=True)
class Plan:
    """Which processors a batch needs at all; known to the host, so that no step has to ask.

    Attributes:
        penalty, temperature, top_p: whether they change anything.
        top_k: the largest k, 0 where no sequence has one.
        min_keep: how many of the best scores are never dropped.
    """

    penalty: bool
    temperature: bool
    top_k: int
    top_p: bool
    min_keep: int

    @classmethod
    def of(cls, options: Sequence[SamplingOptions], vocabulary: int) -> Plan:
        """The plan of sequences that agree in `do_sample`, and in having several beams."""
        sampled = options[0].do_sample
        kept = [_kept(one) for one in options]
        return cls(
            penalty=any(one.repetition_penalty != 1.0 for one in options),
            temperature=sampled and any(one.temperature != 1.0 for one in options),
            top_k=max(k or vocabulary for k in kept) if sampled and any(kept) else 0,
            top_p=sampled and any(one.top_p < 1.0 for one in options),
            min_keep=_min_keep(options[0]),
        )


def _min_keep(options: SamplingOptions) -> int:
    return 2 if options.num_beams > 1 else 1


def _kept(options: SamplingOptions) -> int:
    """The k of top-k; 0 keeps all."""
    return max(options.top_k, _min_keep(options)) if options.top_k else 0


def repetition_penalty(scores: Tensor, seen: Tensor, penalty: float | Tensor) -> Tensor:
    """Make the ids in `seen` (bool, shape of `scores`) less likely, each once."""
    return torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def top_k(scores: Tensor, most: int, own: Tensor | None = None) -> Tensor:
    """Keep what is not below the k-th largest score; ties with it stay.

    Args:
        scores: [..., V].
        most: the largest k.
        own: int64, broadcastable to [..., 1]: each row's k; None: `most` for all.
    """
    best = torch.topk(scores, min(most, scores.shape[-1])).values
    if own is None:
        threshold = best[..., -1:]
    else:
        threshold = best.gather(-1, (own - 1).expand(*best.shape[:-1], 1))
    return scores.masked_fill(scores < threshold, -math.inf)


def drop_tail(scores: Tensor, tail: float | Tensor, min_keep: int) -> Tensor:
    """Top-p: drop the unlikeliest ids while they sum to no more than `tail` = 1 - p.

    The best `min_keep` always stay.
    """
    # Stable: of equal scores always the same ones fall.
    ordered, order = torch.sort(scores, descending=False, stable=True)
    drop = ordered.softmax(-1).cumsum(-1) <= tail
    drop[..., -min_keep:] = False
    return scores.masked_fill(drop.scatter(-1, order, drop), -math.inf)


def top_k_drop_tail(
    scores: Tensor, most: int, own: Tensor | None, tail: float | Tensor, min_keep: int
) -> Tensor:
    """:func:`top_k` and then :func:`drop_tail`, which then need not sort the whole vocabulary.

    Of scores that tie with the k-th largest, at most TIES stay.
    """
    if most + TIES >= scores.shape[-1]:
        return drop_tail(top_k(scores, most, own), tail, min_keep)
    # In the order of the vocabulary, so that of equal scores the same ones fall as without top_k.
    order = scores.topk(most + TIES, sorted=False).indices.sort().values
    kept = drop_tail(top_k(scores.gather(-1, order), most, own), tail, min_keep)
    return torch.full_like(scores, -math.inf).scatter(-1, order, kept)


def process(scores: Tensor, seen: Tensor, options: RowOptions, plan: Plan) -> Tensor:
    """All processors: raw logits for one beam, log-probabilities for several.

    Args:
        scores: float32 [S, V] or [S, B, V].
        seen: bool, the same shape.
        options, plan: of the S sequences.
    """
    column = (-1,) + (1,) * (scores.dim() - 1)
    if plan.penalty:
        scores = repetition_penalty(scores, seen, options.penalty.view(column))
    if plan.temperature:
        scores = scores / options.temperature.view(column)
    own, tail = options.top_k.view(column), options.tail.view(column)
    if plan.top_k and plan.top_p:
        return top_k_drop_tail(scores, plan.top_k, own, tail, plan.min_keep)
    if plan.top_k:
        return top_k(scores, plan.top_k, own)
    return drop_tail(scores, tail, plan.min_keep) if plan.top_p else scores
