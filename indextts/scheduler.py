"""Many requests share the model: their segments join and leave its work at any step.

A scheduler owns the work, but no thread: whoever waits for a segment drives it, one at a time
(:meth:`Scheduler.wait`), or a thread of the caller's that does nothing else
(:meth:`indextts.utils.turns.Turns.work`).  A turn is one bounded round for everybody's segments.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

import torch

from indextts.pieces import Beside, Piece
from indextts.policy import Room, SchedulerPolicy
from indextts.roster import Roster
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.decoding.lane import Generated, Slot
from indextts.stages.flow_graph import FlowGroups
from indextts.stages.flow_queue import FlowQueue
from indextts.stages.member import Member
from indextts.stages.places import Places
from indextts.stages.synthesis import SynthesisRun
from indextts.utils.cpu_threads import cpu_threads
from indextts.utils.device_errors import is_out_of_memory, poisons_device, release_memory
from indextts.utils.turns import Turns
from indextts.work_stats import WorkStats

log = logging.getLogger(__name__)

T = TypeVar("T")


class Scheduler:
    """See the module.

    Args:
        decoder: draws the codes.
        flows: opens the groups that bring noise to mel.
        policy: how the work is shared out.
        free_memory: drops what is only kept to save time.
        products: entered for every step from noise to mel and every call of the vocoder.
        turns: shared with other schedulers on the same device: a turn is a round of each.
    """

    def __init__(
        self,
        decoder: CodeDecoder,
        flows: FlowGroups,
        policy: SchedulerPolicy,
        free_memory: Callable[[], None] = lambda: None,
        products: Callable[[], AbstractContextManager[None]] = nullcontext,
        turns: Turns | None = None,
    ) -> None:
        self.policy = policy
        self._decoder, self._free_memory, self._products = decoder, free_memory, products
        self._turns, self._roster = turns or Turns(), Roster()
        self._abandoned: deque[SynthesisRun] = deque()
        self._batch, self._room = decoder.open_batch(), Room(policy)
        self._decoding: dict[Slot, Member] = {}
        self._flows = FlowQueue(flows)
        self._places, self._beside = Places(), Beside(policy.piece_threads)
        self._gpt_steps = self._codes = self._out_of_memory = 0
        self._turns.add(self._round)

    # -- for callers, from any thread ----------------------------------------------------

    def submit(self, run: SynthesisRun) -> None:
        """Take a request in; its segments become ready while anybody drives."""
        if not run.ended:
            self._roster.runs.append(run)

    def drop(self, run: SynthesisRun) -> None:
        """End a request; harmless after its end."""
        with self._turns.taken(), torch.inference_mode():
            self._remove(run)

    def abandon(self, run: SynthesisRun) -> None:
        """The same for those who must not wait, such as a finalizer: in the next round."""
        self._abandoned.append(run)

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._roster.runs)

    def wait(self, run: SynthesisRun) -> None:
        """Drive, or let others do so, until sound of the request is ready or it has ended."""
        self._turns.until(lambda: bool(run.ready) or run.ended)

    def stats(self) -> WorkStats:
        """A snapshot; from another thread than the driver's it may be a step old."""
        flows = self._flows.counts
        return WorkStats(
            runs=len(self._roster.runs),
            slots=self._room.slots,
            waiting=len(self._places.again) + len(self._places.decoded),
            decoding=len(self._decoding),
            flowing=len(self._flows.members),
            voicing=len(self._places.voicing),
            gpt_steps=self._gpt_steps,
            codes=self._codes,
            flow_steps=flows.steps,
            flow_frames=flows.frames,
            flow_padding=flows.padding,
            out_of_memory=self._out_of_memory,
        )

    # -- a round -------------------------------------------------------------------------

    @torch.inference_mode()
    def _round(self) -> None:
        try:
            self._ask()
            self._prepare()
            if self.policy.order == "together":
                self._finish_all()
                self._admit()
                self._decode()
            elif self.policy.order == "beside":
                self._decode_beside()
            elif (piece := self._next_piece()) is not None:
                piece.run()
            else:
                self._admit()
                self._decode()
        except BaseException:
            # Interrupted somewhere: what members share may be half done.
            self._start_over()
            raise

    def _ask(self) -> None:
        """Cancelled, out of time: asked of everybody in every round."""
        while self._abandoned:
            self._remove(self._abandoned.popleft())
        for run in tuple(self._roster.runs):
            self._own(run, run.check)

    def _prepare(self) -> None:
        """Read text and clips of one new request."""
        new = next((run for run in self._roster.runs if not run.prepared), None)
        if new is not None:
            self._own(new, new.prepare)

    def _decode_beside(self) -> None:
        """Decode here, and bring sound nearer in another thread; without a decode, here."""
        self._admit()
        if self._beside.done or not self._decoding:
            self._beside.settle()
        if self._beside.free and (piece := self._next_piece()) is not None:
            if self._decoding:
                self._beside.start(piece)
            else:
                with cpu_threads(self.policy.piece_threads):
                    piece.run()
        self._decode()

    def _next_piece(self) -> Piece | None:
        """What brings the sound that is nearest a little nearer."""
        if self._places.voicing:
            return self._voicing(self._places.voicing.popleft())
        for members in self._flows.groups(self._room.flow_rows):
            if (piece := self._flow_step(members)) is not None:
                return piece
        if self._places.decoded:
            return self._flow_begin(self._places.decoded.popleft())
        return None

    def _finish_all(self) -> None:
        """A step for every flow, and one vocoder call."""
        for _ in range(len(self._places.decoded)):
            # A failure may have taken others of its request along.
            if self._places.decoded:
                self._flow_begin(self._places.decoded.popleft()).run()
        for members in self._flows.groups(self._room.flow_rows):
            if (piece := self._flow_step(members)) is not None:
                piece.run()
        if self._places.voicing:
            self._voicing(self._places.voicing.popleft()).run()

    def _admit(self) -> None:
        """Fill free slots."""
        for _ in range(self.policy.prefills):
            if len(self._decoding) >= self._room.slots or not self._batch.has_room:
                return
            member = self._places.again.popleft() if self._places.again else self._next_member()
            if member is None:
                return
            self._join(member)

    def _next_member(self) -> Member | None:
        for run in self._roster.in_turn():
            if (member := self._own(run, run.next_member)) is not None:
                self._roster.serve(run, member)
                return member
        return None

    # -- what one member does alone ------------------------------------------------------

    def _join(self, member: Member) -> None:
        run = self._roster.owners[member]

        def work() -> None:
            try:
                with run.clock.stage("gpt"), cpu_threads(self.policy.step_threads):
                    member.slot = self._batch.join(member.task())
            except Exception as error:
                if not self._decoder.has_failed(error):
                    raise
                self._places.again.appendleft(member)
                self._start_over()
            else:
                self._decoding[member.slot] = member

        self._own(run, work, lambda: self._places.again.appendleft(member))

    def _has_decoded(self, member: Member, made: Generated) -> None:
        def work() -> None:
            member.has_decoded(made)
            if member.decoding:
                self._places.again.appendleft(member)
            else:
                self._places.decoded.append(member)

        self._own(self._roster.owners[member], work)

    def _flow_begin(self, member: Member) -> Piece:
        run = self._roster.owners[member]

        def work() -> None:
            with run.clock.stage("gpt"):
                latents = member.latents()
            with run.clock.stage("s2mel"):
                member.begin_flow(latents)

        def then() -> None:
            if member.flow is None:
                self._places.voicing.append(member)
            else:
                self._flows.join(member)

        again = partial(self._places.decoded.appendleft, member)
        return Piece((member,), work, then, partial(self._own_failed, run, again))

    def _voicing(self, member: Member) -> Piece:
        run = self._roster.owners[member]

        def work() -> None:
            with run.clock.stage("vocoder"), self._products():
                member.speak()

        def then() -> None:
            if not member.has_spoken:
                run.has_sounded(member)
                self._places.voicing.appendleft(member)
                return
            del self._roster.owners[member]
            self._own(run, partial(run.has_spoken, member))
            if run.ended:
                self._remove(run)
            self._room.has_spoken()

        again = partial(self._places.voicing.appendleft, member)
        return Piece((member,), work, then, partial(self._own_failed, run, again))

    def _own(
        self, run: SynthesisRun, work: Callable[[], T], again: Callable[[], object] | None = None
    ) -> T | None:
        """Do what concerns one request alone: its failure is nobody else's."""
        try:
            return work()
        except Exception as error:
            self._own_failed(run, again, error)
            return None

    def _own_failed(
        self, run: SynthesisRun, again: Callable[[], object] | None, error: Exception
    ) -> None:
        """Where there is no memory, `again` puts the work back, and others make room."""
        failures = self._roster.count_failure(run)
        crowded = not self._roster.is_alone and failures < self.policy.attempts
        if again is not None and crowded and is_out_of_memory(error):
            again()
            self._make_room(error)
        else:
            self._fail(run, error)

    # -- what members do together --------------------------------------------------------

    def _decode(self) -> None:
        """One code for everybody who has a slot."""
        for run, members in self._roster.by_run(self._decoding.values()):
            slots = [member.slot for member in members if member.slot is not None]
            ahead = max(slots, key=lambda slot: slot.steps)
            self._own(run, partial(run.tell, "gpt", members, ahead.steps, ahead.task.limit))
        if not (members := list(self._decoding.values())):
            return
        try:
            with self._roster.stage("gpt", members), cpu_threads(self.policy.step_threads):
                ended = self._batch.step()
        except Exception as error:
            if self._decoder.has_failed(error):
                self._start_over()
            else:
                self._has_failed(members, error)
            return
        self._gpt_steps += 1
        self._codes += len(members)
        for slot, made in ended:
            self._has_decoded(self._decoding.pop(slot), made)

    def _flow_step(self, members: tuple[Member, ...]) -> Piece | None:
        """None: somebody has gone, and the others take the step in another group."""
        for run, own in self._roster.by_run(members):
            flow = own[0].flow
            assert flow is not None
            self._own(run, partial(run.tell, "s2mel", own, flow.step, flow.steps))
        if not all(member in self._roster.owners for member in members):
            return None
        stage = self._roster.stage("s2mel", members)
        ended: list[Member] = []

        def work() -> None:
            with stage, self._products():
                ended.extend(self._flows.step(members))

        def then() -> None:
            self._flows.leave(ended)
            self._places.voicing.extend(ended)

        return Piece(members, work, then, partial(self._has_failed, members))

    # -- failure -------------------------------------------------------------------------

    def _has_failed(self, members: Sequence[Member], error: Exception) -> None:
        """A step of several members failed; nobody knows how far it went."""
        self._start_over()
        if poisons_device(error):
            for run in tuple(self._roster.runs):
                self._fail(run, error)
            return
        for member in members:
            member.failures += 1
        memory = is_out_of_memory(error)
        last = not memory or self._roster.is_alone or members[0].failures >= self.policy.attempts
        if len(members) == 1 and last:
            self._fail(self._roster.owners[members[0]], error)
        elif memory:
            self._make_room(error)
        else:
            log.warning("A step of %d failed; fewer try again", len(members), exc_info=error)
            self._room.halve(len(members))

    def _make_room(self, error: Exception) -> None:
        """Fewer slots, and all memory that can be had; whoever had a slot begins anew."""
        self._out_of_memory += 1
        self._room.halve(len(self._decoding) + len(self._places.again))
        log.warning("Out of memory: %d segments are decoded together now", self._room.slots)
        self._start_over()
        self._free_memory()
        release_memory(error)

    def _start_over(self) -> None:
        """Codes and mels in the making are begun anew; their seeds make them the same."""
        self._beside.settle()
        for member in reversed(self._decoding.values()):
            member.slot = None
            self._places.again.appendleft(member)
        self._decoding.clear()
        self._batch = self._decoder.open_batch()
        self._flows.start_over()
        placed = {*self._places, *self._flows.members}
        for member in self._roster.own_all():
            # Else it was between two places when the interruption came.
            if member not in placed:
                self._places.put(member)

    def _fail(self, run: SynthesisRun, error: Exception) -> None:
        run.error = error
        self._remove(run)

    def _remove(self, run: SynthesisRun) -> None:
        """Let go of a request and of its members, wherever they are."""
        if any(member in run.members for member in self._beside.members):
            self._beside.settle()
        if run not in self._roster.runs:
            return
        gone = self._roster.remove(run)
        slots = {slot for slot, member in self._decoding.items() if member in gone}
        self._decoding = {s: member for s, member in self._decoding.items() if s not in slots}
        self._batch.leave(slots)
        self._flows.leave(gone)
        self._places.remove(gone)
