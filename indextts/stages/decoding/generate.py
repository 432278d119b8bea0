"""The decoding loop: from prefixes to semantic codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from indextts.config import GPTConfig
from indextts.sampling import SamplingOptions
from indextts.stages.decoding import beam, sample
from indextts.stages.decoding.noise import ExponentialNoise
from indextts.stages.decoding.poll import StopPoll
from indextts.stages.decoding.session import Choose, DecodeSession, SessionFactory, State


@dataclass(frozen=True)
class Generated:
    """The codes of one sequence.

    Attributes:
        codes: int64 [n], without STOP.
        truncated: the limit was reached before STOP.
        steps: decoding steps in which the sequence was alive.
        score: of the best hypothesis with beams, else None.
    """

    codes: Tensor
    truncated: bool
    steps: int
    score: float | None


def generate(
    open_session: SessionFactory,
    config: GPTConfig,
    prefixes: Sequence[Tensor],
    limits: Sequence[int],
    options: SamplingOptions,
    generators: Sequence[torch.Generator] | None,
    on_step: Callable[[int], None] | None = None,
) -> list[Generated]:
    """Decode several sequences together, each with its own limit and its own random numbers.

    Args:
        open_session: makes the decoder's session.
        config: of the GPT.
        prefixes: [M_i, D] each, all on one device.
        limits: the most codes of each sequence, at least 1.
        options: how to draw.
        generators: one a sequence, on the device; only used if options.do_sample.
        on_step: called before every step with its number; may raise to stop.
    """
    device = prefixes[0].device
    bounds = torch.tensor(list(limits), device=device)
    steps = max(limits)
    # The prompt is known to the penalty as a run of ones and START (gpt.md 4.1).
    seen = torch.zeros(config.number_mel_codes, dtype=torch.bool, device=device)
    seen[1] = seen[config.start_mel_token] = True
    beams, start_token, stop = options.num_beams, config.start_mel_token, config.stop_mel_token
    session = open_session(prefixes, beams)
    noise = None
    if options.do_sample and generators is not None:
        noise = ExponentialNoise(generators, beams * config.number_mel_codes, device)
    if beams == 1:
        alone = sample.start(bounds, seen, start_token, steps)
        choose_alone = partial(sample.step, options=options, stop_token=stop)
        return _sampled(_run(session, alone, choose_alone, noise, steps, on_step), stop)
    search = beam.start(bounds, seen, start_token, steps, beams)
    choose = partial(beam.step, options=options, stop_token=stop)
    return _searched(_run(session, search, choose, noise, steps, on_step), options)


def _run(
    session: DecodeSession,
    state: State,
    choose: Choose[State],
    noise: ExponentialNoise | None,
    steps: int,
    on_step: Callable[[int], None] | None,
) -> State:
    """At most `steps` steps, until every sequence has stopped."""
    all_stopped = StopPoll(state.stopped.device)
    for position in range(steps):
        if on_step is not None:
            on_step(position)
        drawn = None if noise is None else noise.draw(position)
        state = session.advance(state, choose, drawn, position)
        if all_stopped(position, state.stopped):
            break
    return state


def _sampled(state: sample.SampleState, stop_token: int) -> list[Generated]:
    last = state.codes.gather(1, state.lengths[:, None] - 1)[:, 0]
    return [
        Generated(codes[: length - 1] if ended else codes[:length], not ended, length, None)
        for codes, length, ended in zip(
            state.codes, state.lengths.tolist(), (last == stop_token).tolist(), strict=True
        )
    ]


def _searched(state: beam.BeamState, options: SamplingOptions) -> list[Generated]:
    codes, lengths, scores = beam.finish(state, options)
    return [
        Generated(row[:length], length >= limit, steps, score)
        for row, length, limit, steps, score in zip(
            codes,
            lengths.tolist(),
            state.limits.tolist(),
            state.steps.tolist(),
            scores.tolist(),
            strict=True,
        )
    ]
