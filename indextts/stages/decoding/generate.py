"""The decoding loop: from prefixes to semantic codes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from indextts.config import GPTConfig
from indextts.sampling import SamplingOptions
from indextts.stages.decoding.batch import DecodeBatch
from indextts.stages.decoding.lane import DecodeTask, Generated, Slot
from indextts.stages.decoding.session import SessionFactory

__all__ = ["Generated", "generate"]


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
    batch = DecodeBatch(open_session(), config, prefixes[0].device)
    own: Sequence[torch.Generator | None] = generators or [None] * len(prefixes)
    waiting = deque(
        (index, DecodeTask(prefix, limit, options, generator))
        for index, (prefix, limit, generator) in enumerate(zip(prefixes, limits, own, strict=True))
    )
    places: dict[Slot, int] = {}
    made: dict[int, Generated] = {}
    step = 0
    while waiting or batch.slots:
        while waiting and batch.has_room:
            index, task = waiting.popleft()
            places[batch.join(task)] = index
        if on_step is not None:
            on_step(step)
        made.update((places[slot], one) for slot, one in batch.step())
        step += 1
    return [made[index] for index in range(len(prefixes))]
