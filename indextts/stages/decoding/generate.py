"""The decoding loop: from prefixes to semantic codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indextts.config import GPTConfig
from indextts.sampling import SamplingOptions
from indextts.stages.decoding import beam, sample
from indextts.stages.decoding.session import SessionFactory

# Asking an accelerator whether all sequences have stopped waits for it; do so now and then.
_ACCELERATOR_POLL = 8


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
    seen = torch.zeros(config.number_mel_codes, dtype=torch.bool, device=device)
    # The prompt is known to the penalty as a run of ones and START (gpt.md 4.1).
    seen[[1, config.start_mel_token]] = True
    beams, start_token, stop = options.num_beams, config.start_mel_token, config.stop_mel_token
    session = open_session(prefixes, beams)
    noise_shape = (len(prefixes), beams * config.number_mel_codes)

    def draw_noise() -> Tensor | None:
        if not options.do_sample or generators is None:
            return None
        noise = torch.empty(noise_shape, device=device)
        for row, generator in zip(noise, generators, strict=True):
            row.exponential_(generator=generator)
        return noise

    poll = 1 if device.type == "cpu" else _ACCELERATOR_POLL
    state: sample.SampleState | beam.BeamState
    if beams == 1:
        state = sample.start(bounds, seen, start_token, steps)
    else:
        state = beam.start(bounds, seen, start_token, steps, beams)
    for position in range(steps):
        if on_step is not None:
            on_step(position)
        logits = session.step(state.tokens, state.parents, position)
        index = torch.full((), position, dtype=torch.int64, device=device)
        if isinstance(state, sample.SampleState):
            state = sample.step(state, logits, draw_noise(), index, options, stop)
        else:
            state = beam.step(state, logits, draw_noise(), index, options, stop)
        if (position + 1) % poll == 0 and bool(state.stopped.all()):
            break
    if isinstance(state, sample.SampleState):
        return _sampled(state, stop)
    return _searched(state, options)


def _sampled(state: sample.SampleState, stop_token: int) -> list[Generated]:
    results = []
    for codes, length in zip(state.codes, state.lengths.tolist(), strict=True):
        ended = int(codes[length - 1]) == stop_token
        kept = codes[: length - 1] if ended else codes[:length]
        results.append(Generated(kept, not ended, length, None))
    return results


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
