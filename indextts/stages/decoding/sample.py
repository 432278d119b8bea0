"""Greedy decoding and sampling: one row a sequence (gpt.md 4.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from indextts.sampling import SamplingOptions
from indextts.stages.decoding.processors import process


@dataclass(frozen=True)
class SampleState:
    """S sequences after g steps.

    Attributes:
        tokens: int64 [S], read by the next step.
        codes: int64 [S, N], what was drawn; entries from `lengths` on mean nothing.
        seen: bool [S, V], ids under the repetition penalty.
        lengths: int64 [S], number of codes drawn, STOP included.
        limits: int64 [S], the most codes a sequence may have.
        stopped: bool [S]; a stopped sequence does not change any more.
    """

    tokens: Tensor
    codes: Tensor
    seen: Tensor
    lengths: Tensor
    limits: Tensor
    stopped: Tensor

    @property
    def parents(self) -> None:
        """Rows never change places."""
        return None


def start(limits: Tensor, seen: Tensor, start_token: int, steps: int) -> SampleState:
    """State before the first step; `seen` is bool [V]."""
    sequences = len(limits)
    return SampleState(
        tokens=limits.new_full((sequences,), start_token),
        codes=limits.new_zeros((sequences, steps)),
        seen=seen.expand(sequences, -1).clone(),
        lengths=torch.zeros_like(limits),
        limits=limits,
        stopped=torch.zeros_like(limits, dtype=torch.bool),
    )


def step(
    state: SampleState,
    logits: Tensor,
    noise: Tensor | None,
    position: Tensor,
    options: SamplingOptions,
    stop_token: int,
) -> SampleState:
    """Draw one code for every sequence.

    Args:
        state: before the step.
        logits: float32 [S, V].
        noise: exponential(1) [S, V] if options.do_sample: the largest of p / noise is a draw
            from p (the exponential race, as in torch.multinomial).
        position: int64 scalar tensor, the number of codes drawn so far.
        options: sampling options with one beam.
        stop_token: id of STOP.
    """
    scores = process(logits, state.seen, options)
    tokens = scores.argmax(-1) if noise is None else (scores.softmax(-1) / noise).argmax(-1)
    tokens = torch.where(state.stopped, state.tokens, tokens)
    running = ~state.stopped
    lengths = state.lengths + running.long()
    column = tokens[:, None]
    return replace(
        state,
        tokens=tokens,
        codes=state.codes.index_copy(1, position.view(1), column),
        seen=state.seen.scatter(1, column, True),
        lengths=lengths,
        stopped=state.stopped | (tokens == stop_token) | (lengths >= state.limits),
    )
