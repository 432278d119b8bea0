"""Beam search and beam sampling with a list of finished hypotheses (gpt.md 4.4).

The state is tensors only and a step is a function of them, so that it runs without any
host synchronisation.  S is the number of sequences, B of beams, V of codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from indextts.stages.decoding.processors import Plan, RowOptions, process

CLOSED = -1e9


@dataclass(frozen=True)
class Hypotheses:
    """Up to B finished sequences each; a slot is free while its `order` is negative.

    Attributes:
        scores: float32 [S, B].
        codes: int64 [S, B, N].
        lengths: int64 [S, B].
        order: int64 [S, B], counts up with every entry: the place in the list.
    """

    scores: Tensor
    codes: Tensor
    lengths: Tensor
    order: Tensor

    @property
    def held(self) -> Tensor:
        return (self.order >= 0).sum(1)  # [S]

    @property
    def worst(self) -> Tensor:
        """Lowest score held, +inf if there is none. [S]"""
        return self.scores.masked_fill(self.order < 0, math.inf).amin(1)


@dataclass(frozen=True)
class BeamState:
    """S sequences of B beams, each somewhere in its decode.

    Attributes:
        tokens: int64 [S, B], read by the next step.
        parents: int64 [S, B], the beam of the same sequence that each beam continues.
        scores: float32 [S, B], accumulated processed scores.
        codes: int64 [S, B, N].
        seen: bool [S, B, V], ids under the repetition penalty.
        hypotheses: what has ended with STOP.
        steps: int64 [S], steps run: the position of the next one.
        limits: int64 [S], the most codes a sequence may have.
        options: of the sequences.
        done: bool [S], ended by the rule on hypotheses.
        stopped: bool [S], done or at the limit; a stopped sequence does not change any more.
    """

    tokens: Tensor
    parents: Tensor
    scores: Tensor
    codes: Tensor
    seen: Tensor
    hypotheses: Hypotheses
    steps: Tensor
    limits: Tensor
    options: RowOptions
    done: Tensor
    stopped: Tensor

    @property
    def positions(self) -> Tensor:
        """int64 [S], how many tokens each row of a sequence has read."""
        return self.steps


def start(
    limits: Tensor, seen: Tensor, start_token: int, steps: int, beams: int, options: RowOptions
) -> BeamState:
    """State before the first step, with room for `steps` codes; `seen` is bool [V].

    Only the first beam is open.
    """
    sequences, device = len(limits), limits.device
    scores = torch.full((sequences, beams), CLOSED, device=device)
    scores[:, 0] = 0.0
    empty = limits.new_zeros((sequences, beams))
    return BeamState(
        tokens=limits.new_full((sequences, beams), start_token),
        parents=torch.arange(beams, device=device).repeat(sequences, 1),
        scores=scores,
        codes=limits.new_zeros((sequences, beams, steps)),
        seen=seen.expand(sequences, beams, -1).clone(),
        hypotheses=Hypotheses(
            scores=torch.zeros_like(scores),
            codes=limits.new_zeros((sequences, beams, steps)),
            lengths=empty,
            order=torch.full_like(empty, -1),
        ),
        steps=torch.zeros_like(limits),
        limits=limits,
        options=options,
        done=torch.zeros_like(limits, dtype=torch.bool),
        stopped=torch.zeros_like(limits, dtype=torch.bool),
    )


def step(
    state: BeamState, logits: Tensor, noise: Tensor | None, plan: Plan, stop_token: int
) -> BeamState:
    """Advance every sequence by one code.

    Args:
        state: before the step.
        logits: float32 [S * B, V].
        noise: exponential(1) [S, B * V] if codes are sampled: the 2B largest of p / noise are a
            draw without replacement from p (as in torch.multinomial).
        plan: what the options of the sequences need.
        stop_token: id of STOP.
    """
    sequences, beams = state.scores.shape
    vocabulary = logits.shape[-1]
    logprobs = logits.log_softmax(-1).view(sequences, beams, vocabulary)
    scores = process(logprobs, state.seen, state.options, plan)
    totals = (scores + state.scores[:, :, None]).flatten(1)  # [S, B * V]
    if noise is None:
        candidates, index = totals.topk(2 * beams)
    else:
        index = (totals.softmax(-1) / noise).topk(2 * beams).indices
        candidates, order = totals.gather(1, index).sort(descending=True)
        index = index.gather(1, order)
    beam, token = index // vocabulary, index % vocabulary  # [S, 2B]
    ends = token == stop_token
    divisor = (state.steps + 1).float() ** state.options.length_penalty  # [S]

    hypotheses = state.hypotheses
    for rank in range(beams):
        # A STOP of lower rank is ignored: better beams than it will go on.
        hypotheses = _add(
            hypotheses,
            ends[:, rank] & ~state.stopped,
            candidates[:, rank] / divisor,
            _pick(state.codes, beam[:, rank]),
            state.steps,
        )

    # The first B candidates that go on; a stable sort keeps their order.
    going = ends.long().argsort(dim=1, stable=True)[:, :beams]  # [S, B]
    parent, new_token = beam.gather(1, going), token.gather(1, going)
    keep = state.stopped[:, None]
    own = torch.arange(beams, device=logits.device).expand(sequences, beams)
    parent = torch.where(keep, own, parent)
    new_token = torch.where(keep, state.tokens, new_token)
    new_scores = torch.where(keep, state.scores, candidates.gather(1, going))
    codes = _reorder(state.codes, parent)
    # Past the end only where a sequence has stopped, which keeps what it has.
    place = state.steps.clamp(max=codes.shape[2] - 1)[:, None, None].expand(-1, beams, 1)
    codes = torch.where(keep[:, :, None], codes, codes.scatter(2, place, new_token[:, :, None]))
    seen = _reorder(state.seen, parent).scatter(2, new_token[:, :, None], True)

    enough = (hypotheses.held == beams) & (hypotheses.worst >= candidates[:, 0] / divisor)
    steps = state.steps + (~state.stopped).long()
    done = state.done | (enough & ~state.stopped)
    return replace(
        state,
        tokens=new_token,
        parents=parent,
        scores=new_scores,
        codes=codes,
        seen=seen,
        hypotheses=hypotheses,
        steps=steps,
        done=done,
        stopped=state.stopped | done | (steps >= state.limits),
    )


def finish(state: BeamState) -> tuple[Tensor, Tensor, Tensor]:
    """The best hypothesis of every sequence.

    Returns:
        codes int64 [S, N], their number [S] (without STOP), score float32 [S].
    """
    hypotheses = state.hypotheses
    divisor = state.steps.float() ** state.options.length_penalty
    for beam in range(state.scores.shape[1]):
        hypotheses = _add(
            hypotheses,
            ~state.done,
            state.scores[:, beam] / divisor,
            state.codes[:, beam],
            state.steps,
        )
    held = hypotheses.order >= 0
    best = hypotheses.scores.masked_fill(~held, -math.inf).amax(1)
    # On equal scores the one that came last.
    is_best = held & (hypotheses.scores == best[:, None])
    slot = hypotheses.order.masked_fill(~is_best, -1).argmax(1)
    return (
        _pick(hypotheses.codes, slot),
        hypotheses.lengths.gather(1, slot[:, None])[:, 0],
        best,
    )


def _add(
    hypotheses: Hypotheses, wanted: Tensor, score: Tensor, codes: Tensor, length: Tensor
) -> Hypotheses:
    """Enter one hypothesis per sequence where `wanted`, if it is among the best B.

    Args:
        hypotheses: the lists.
        wanted: bool [S].
        score: float32 [S].
        codes: int64 [S, N].
        length: int64 [S], codes in use.
    """
    held = hypotheses.held
    beams = hypotheses.order.shape[1]
    full = held == beams
    worst = hypotheses.worst
    accept = wanted & (~full | (score > worst))
    # A full list gives up its lowest entry, of equal ones the earliest.
    lowest = (hypotheses.scores == worst[:, None]) & (hypotheses.order >= 0)
    latest = torch.iinfo(torch.int64).max
    loser = hypotheses.order.masked_fill(~lowest, latest).argmin(1)
    slot = torch.where(full, loser, held.clamp(max=beams - 1))
    place = torch.arange(beams, device=score.device) == slot[:, None]  # [S, B]
    place = place & accept[:, None]
    newest = hypotheses.order.amax(1) + 1
    return Hypotheses(
        scores=torch.where(place, score[:, None], hypotheses.scores),
        codes=torch.where(place[:, :, None], codes[:, None], hypotheses.codes),
        lengths=torch.where(place, length[:, None], hypotheses.lengths),
        order=torch.where(place, newest[:, None], hypotheses.order),
    )


def _pick(x: Tensor, beam: Tensor) -> Tensor:
    """Row `beam` [S] of x [S, B, N] -> [S, N]."""
    return x.gather(1, beam[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]


def _reorder(x: Tensor, parent: Tensor) -> Tensor:
    """Rows `parent` [S, B] of x [S, B, N] -> [S, B, N]."""
    return x.gather(1, parent[:, :, None].expand(-1, -1, x.shape[2]))
