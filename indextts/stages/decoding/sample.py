"""Greedy decoding and sampling: one row a sequence (gpt.md 4.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from indextts.stages.decoding.processors import Plan, RowOptions, process


@dataclass(frozen=True)
class SampleState:
    """S sequences, each somewhere in its decode.

    Attributes:
        tokens: int64 [S], read by the next step.
        codes: int64 [S, N], what was drawn; entries from `lengths` on mean nothing.
        seen: bool [S, V], ids under the repetition penalty.
        lengths: int64 [S], number of codes drawn, STOP included: the position of the next step.
        limits: int64 [S], the most codes a sequence may have.
        options: of the sequences.
        stopped: bool [S]; a stopped sequence does not change any more.
    """

    tokens: Tensor
    codes: Tensor
    seen: Tensor
    lengths: Tensor
    limits: Tensor
    options: RowOptions
    stopped: Tensor

    @property
    def parents(self) -> None:
        """Rows never change places."""
        return None

    @property
    def positions(self) -> Tensor:
        """int64 [S], how many tokens each row has read."""
        return self.lengths


def start(
    limits: Tensor, seen: Tensor, start_token: int, steps: int, options: RowOptions
) -> SampleState:
    """State before the first step, with room for `steps` codes; `seen` is bool [V]."""
    sequences = len(limits)
    return SampleState(
        tokens=limits.new_full((sequences,), start_token),
        codes=limits.new_zeros((sequences, steps)),
        seen=seen.expand(sequences, -1).clone(),
        lengths=torch.zeros_like(limits),
        limits=limits,
        options=options,
        stopped=torch.zeros_like(limits, dtype=torch.bool),
    )


def step(
    state: SampleState, logits: Tensor, noise: Tensor | None, plan: Plan, stop_token: int
) -> SampleState:
    """Draw one code for every sequence.

    Args:
        state: before the step.
        logits: float32 [S, V].
        noise: exponential(1) [S, V] if codes are sampled: the largest of p / noise is a draw
            from p (the exponential race, as in torch.multinomial).
        plan: what the options of the sequences need.
        stop_token: id of STOP.
    """
    scores = process(logits, state.seen, state.options, plan)
    tokens = scores.argmax(-1) if noise is None else (scores.softmax(-1) / noise).argmax(-1)
    tokens = torch.where(state.stopped, state.tokens, tokens)
    lengths = state.lengths + (~state.stopped).long()
    column = tokens[:, None]
    # A sequence that has filled its row writes the last code once more.
    place = state.lengths.clamp(max=state.codes.shape[1] - 1)[:, None]
    return replace(
        state,
        tokens=tokens,
        codes=state.codes.scatter(1, place, column),
        seen=state.seen.scatter(1, column, True),
        lengths=lengths,
        stopped=state.stopped | (tokens == stop_token) | (lengths >= state.limits),
    )
