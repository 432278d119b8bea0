"""A decode that sequences join and leave between steps: one step of the GPT serves all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from indextts.config import GPTConfig
from indextts.stages.decoding.lane import DecodeTask, Generated, Lane, Slot
from indextts.stages.decoding.noise import ExponentialNoise
from indextts.stages.decoding.poll import StopPoll
from indextts.stages.decoding.session import (
    DecodeSession,
    row_parents,
    row_positions,
    row_tokens,
)

# Number of beams, whether options sample, whether there are random numbers.
_Kind = tuple[int, bool, bool]


class DecodeBatch:
    """Sequences that are decoded together, each as if it were alone.

    Args:
        session: holds their keys and values; empty.
        config: of the GPT.
        device: where it is.
    """

    def __init__(self, session: DecodeSession, config: GPTConfig, device: torch.device) -> None:
        self._session, self._config, self._device = session, config, device
        self._slots: list[Slot] = []  # in the order of the session's rows
        self._lanes: dict[_Kind, Lane] = {}
        self._poll: StopPoll[Slot] = StopPoll(device)
        self._order: _RowOrder | None = None

    @property
    def slots(self) -> Sequence[Slot]:
        """Who is in it."""
        return self._slots

    @property
    def rows(self) -> int:
        """Sequences times beams."""
        return sum(slot.task.options.num_beams for slot in self._slots)

    @property
    def has_room(self) -> bool:
        """Whether the session can hold another sequence."""
        capacity = self._session.capacity
        return capacity is None or len(self._slots) < capacity

    def join(self, task: DecodeTask) -> Slot:
        """Read a prefix; its sequence takes part in the steps that follow.

        A failure leaves everybody else as they were.
        """
        options, noise = task.options, None
        if options.do_sample and task.generator is not None:
            width = options.num_beams * self._config.number_mel_codes
            noise = ExponentialNoise(task.generator, width, self._device)
        slot = Slot(task, noise)
        kind = (options.num_beams, options.do_sample, noise is not None)
        lane = self._lanes.get(kind) or Lane(self._config, self._device)
        self._session.join(task.prefix, options.num_beams)
        try:
            lane.join(slot)
        except BaseException:
            self._session.keep(range(len(self._slots)))
            raise
        self._lanes[kind] = lane
        self._slots.append(slot)
        self._order = None
        return slot

    def leave(self, gone: Collection[Slot]) -> None:
        """These sequences end; slots that are not there are ignored."""
        staying = [i for i, slot in enumerate(self._slots) if slot not in gone]
        if len(staying) == len(self._slots):
            return
        self._session.keep(staying)
        self._slots = [self._slots[i] for i in staying]
        for lane in self._lanes.values():
            lane.leave(tuple(gone))
        self._lanes = {kind: lane for kind, lane in self._lanes.items() if lane.slots}
        self._order = None

    def step(self) -> list[tuple[Slot, Generated]]:
        """One more code for every sequence; those that have ended leave, with what they have made.

        On a GPU an end is noticed some steps late, see :class:`StopPoll`.
        """
        lanes = list(self._lanes.values())
        if len(lanes) == 1:
            lane = lanes[0]
            lane.state = self._session.advance(lane.state, lane.chooser, lane.draw())
        elif lanes:
            self._step_lanes(lanes)
        for slot in self._slots:
            slot.steps += 1
        return self._take_ended(lanes)

    def _step_lanes(self, lanes: Sequence[Lane]) -> None:
        order = self._order = self._order or _RowOrder(self._slots, lanes, self._device)
        states = [lane.state for lane in lanes]
        logits = self._session.step(
            order.to_session(torch.cat([row_tokens(state) for state in states])),
            order.parents([row_parents(state) for state in states]),
            order.to_session(torch.cat([row_positions(state) for state in states])),
        )
        of_lanes = order.to_lanes(logits).split(order.sizes)
        for lane, own in zip(lanes, of_lanes, strict=True):
            lane.state = lane.chooser(lane.state, own, lane.draw())

    def _take_ended(self, lanes: Sequence[Lane]) -> list[tuple[Slot, Generated]]:
        owners = [slot for lane in lanes for slot in lane.slots]
        if not owners:
            return []
        flags = [lane.state.stopped for lane in lanes]
        told = set(self._poll(owners, flags[0] if len(flags) == 1 else torch.cat(flags)))
        # Nobody needs to be asked at the limit.
        ended = {slot for slot in owners if slot in told or slot.steps >= slot.task.limit}
        made: list[tuple[Slot, Generated]] = []
        for lane in lanes:
            own = [slot for slot in lane.slots if slot in ended]
            if own:
                made += zip(own, lane.results(own), strict=True)
        self.leave(ended)
        return made


class _RowOrder:
    """Rows as the lanes hold them, one lane after the other, and as the session does.

    Args:
        slots: in the session's order.
        lanes: those of the slots.
        device: of the rows.
    """

    def __init__(self, slots: Sequence[Slot], lanes: Sequence[Lane], device: torch.device) -> None:
        first: dict[Slot, int] = {}
        rows = 0
        for slot in slots:
            first[slot] = rows
            rows += slot.task.options.num_beams
        order = [
            first[slot] + row for lane in lanes for slot in lane.slots for row in range(lane.beams)
        ]
        self.sizes = [len(lane.slots) * lane.beams for lane in lanes]
        self._in_session = torch.tensor(order, device=device)  # of each row of the lanes
        self._in_lanes = self._in_session.argsort()  # of each row of the session

    def to_session(self, values: Tensor) -> Tensor:
        return values.index_select(0, self._in_lanes)

    def to_lanes(self, values: Tensor) -> Tensor:
        return values.index_select(0, self._in_session)

    def parents(self, of_lanes: Sequence[Tensor | None]) -> Tensor | None:
        """The row of the session that each row of it continues; None where all stay."""
        if all(parents is None for parents in of_lanes):
            return None
        rows: list[Tensor] = []
        first = 0
        for size, parents in zip(self.sizes, of_lanes, strict=True):
            if parents is None:
                parents = torch.arange(size, device=self._in_session.device)
            rows.append(parents + first)
            first += size
        return self._in_session.index_select(0, self.to_session(torch.cat(rows)))
