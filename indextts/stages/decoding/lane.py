"""Sequences of a decode whose codes are chosen together: they agree in their number of beams, and
in whether they are sampled.  All else is each sequence's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indextts.config import GPTConfig
from indextts.sampling import SamplingOptions
from indextts.stages.decoding import beam, sample
from indextts.stages.decoding.beam import BeamState
from indextts.stages.decoding.noise import ExponentialNoise
from indextts.stages.decoding.processors import Plan, RowOptions
from indextts.stages.decoding.sample import SampleState
from indextts.stages.decoding.state import joined, kept

# Room for codes is made in steps, so that states of many limits have one shape: few on a processor,
# which copies all of it in each step; one on a GPU, which records the steps of each shape.
_ROOM_STEP, _ROOM_STEP_ON_CUDA = 128, 2048


@dataclass(frozen=True, eq=False)
class DecodeTask:
    """What a sequence starts with.

    Attributes:
        prefix: [M, D].
        limit: the most codes, at least 1.
        options: how to draw.
        generator: on the prefix's device; only used if options.do_sample, and without one the
            likeliest codes are taken of what the options leave.
    """

    prefix: Tensor
    limit: int
    options: SamplingOptions
    generator: torch.Generator | None = None


@dataclass(eq=False)
class Slot:
    """The place of a sequence that is being decoded.

    Attributes:
        task: what it started with.
        noise: its random numbers; None: it is not sampled.
        steps: that it has been in.
    """

    task: DecodeTask
    noise: ExponentialNoise | None
    steps: int = 0


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


@dataclass(frozen=True)
class Chooser:
    """How a lane chooses its next codes; equal ones do the same, so that a recording of one serves
    the other."""

    beams: int
    plan: Plan
    stop_token: int

    def __call__(
        self, state: BeamState | SampleState, logits: Tensor, noise: Tensor | None
    ) -> BeamState | SampleState:
        if isinstance(state, BeamState):
            return beam.step(state, logits, noise, self.plan, self.stop_token)
        return sample.step(state, logits, noise, self.plan, self.stop_token)


class Lane:
    """Slots in order, and their state.

    Args:
        config: of the GPT.
        device: of the tensors.
    """

    def __init__(self, config: GPTConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        self.slots: list[Slot] = []
        self._state: BeamState | SampleState | None = None
        # The prompt is known to the penalty as a run of ones and START (gpt.md 4.1).
        self._seen = torch.zeros(config.number_mel_codes, dtype=torch.bool, device=device)
        self._seen[1] = self._seen[config.start_mel_token] = True

    @property
    def state(self) -> BeamState | SampleState:
        if self._state is None:
            raise RuntimeError("the lane is empty")
        return self._state

    @state.setter
    def state(self, state: BeamState | SampleState) -> None:
        self._state = state

    @property
    def beams(self) -> int:
        return self.slots[0].task.options.num_beams

    @property
    def chooser(self) -> Chooser:
        """Changes with the slots."""
        plan = Plan.of([slot.task.options for slot in self.slots], self._config.number_mel_codes)
        return Chooser(self.beams, plan, self._config.stop_mel_token)

    def join(self, slot: Slot) -> None:
        fresh = self._start(slot.task)
        self.slots.append(slot)
        self._state = fresh if self._state is None else joined(self._state, fresh)

    def leave(self, gone: Sequence[Slot]) -> None:
        """These go; others are ignored."""
        staying = [i for i, slot in enumerate(self.slots) if slot not in gone]
        if len(staying) == len(self.slots):
            return
        self.slots = [self.slots[i] for i in staying]
        self._state = kept(self.state, self._index(staying)) if staying else None

    def draw(self) -> Tensor | None:
        """The random numbers of the next step, [S, ...]; None where nothing is sampled."""
        drawn = [slot.noise.draw() for slot in self.slots if slot.noise is not None]
        if not drawn:
            return None
        return drawn[0] if len(drawn) == 1 else torch.cat(drawn)

    def results(self, ended: Sequence[Slot]) -> list[Generated]:
        """The codes of slots that have stopped."""
        index = [self.slots.index(slot) for slot in ended]
        state = self.state
        if len(index) < len(self.slots):
            state = kept(state, self._index(index))
        if isinstance(state, BeamState):
            return _searched(state)
        return _sampled(state, self._config.stop_mel_token)

    def _start(self, task: DecodeTask) -> BeamState | SampleState:
        config, beams = self._config, task.options.num_beams
        limits = torch.tensor([task.limit], device=self._device)
        options = RowOptions.of([task.options], config.number_mel_codes, self._device)
        step = _ROOM_STEP_ON_CUDA if self._device.type == "cuda" else _ROOM_STEP
        room = -(-task.limit // step) * step
        if beams == 1:
            return sample.start(limits, self._seen, config.start_mel_token, room, options)
        return beam.start(limits, self._seen, config.start_mel_token, room, beams, options)

    def _index(self, indices: Sequence[int]) -> Tensor:
        return torch.tensor(indices, dtype=torch.int64, device=self._device)


def _sampled(state: SampleState, stop_token: int) -> list[Generated]:
    last = state.codes.gather(1, state.lengths[:, None] - 1)[:, 0]
    return [
        Generated(codes[: length - 1] if ended else codes[:length], not ended, length, None)
        for codes, length, ended in zip(
            state.codes, state.lengths.tolist(), (last == stop_token).tolist(), strict=True
        )
    ]


def _searched(state: BeamState) -> list[Generated]:
    codes, lengths, scores = beam.finish(state)
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
