"""Requests that share the model each get what they get alone."""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indextts.errors import (
    CancelledError,
    DeadlineExceededError,
)
from indextts.infer_v2 import IndexTTS2
from indextts.policy import SchedulerPolicy
from indextts.request import Control, ReferenceAudio, SegmentAudio, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.stages.flow_queue import FlowQueue
from indextts.stages.member import Member
from indextts.stream import Speaking
from tests.indextts.scheduler.company import (
    REQUESTS,
    Alone,
    nothing_is_left,
    request,
    tick,
    work_through,
)
from tests.indextts.tiny_model import SENTENCES


@pytest.mark.parametrize("at_once", [4, 16])
def test_company_changes_nothing(
    engine: IndexTTS2, clips: list[ReferenceAudio], alone: Alone, at_once: int
) -> None:
    numbers = list(range(REQUESTS))
    made = work_through(engine, numbers, at_once, clips)
    for number in numbers:
        assert len(made[number]) == len(alone(number))
        alone.check(number, made[number])
    nothing_is_left(engine)
    assert engine.stats().codes > 1.5 * engine.stats().gpt_steps


def test_with_a_batch_of_one_every_byte_is_the_same(
    tiny_model_dir: Path, clips: list[ReferenceAudio]
) -> None:
    single = IndexTTS2(tiny_model_dir, device="cpu", max_batch=1)
    numbers = [0, 2, 3, 7, 9]
    alone = {n: single.synthesize(request(clips, n)).segments for n in numbers}
    made = work_through(single, numbers, 5, clips)
    for number in numbers:
        for own, expected in zip(made[number], alone[number], strict=True):
            assert own.waveform.tobytes() == expected.waveform.tobytes()
    stats = single.stats()
    assert stats.codes == stats.gpt_steps


@pytest.mark.parametrize("rows", [2, 8])
def test_flows_that_share_their_steps_sound_the_same(
    tiny_model_dir: Path, clips: list[ReferenceAudio], alone: Alone, rows: int
) -> None:
    """As a GPU works: flows in groups, beside the decode."""
    engine = IndexTTS2(tiny_model_dir, device="cpu", max_batch=4)
    engine._line.scheduler.policy = SchedulerPolicy(4, rows, "together")
    engine._line.scheduler._room.flow_rows = rows
    groups: list[int] = []
    step = FlowQueue.step

    def spy(self: FlowQueue, members: tuple[Member, ...]) -> list[Member]:
        groups.append(len(members))
        return step(self, members)

    numbers = list(range(16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FlowQueue, "step", spy)
        made = work_through(engine, numbers, 8, clips)
    for number in numbers:
        alone.check(number, made[number])
    nothing_is_left(engine)
    assert max(groups) > 1
    assert engine.stats().flow_padding <= 0.15 * engine.stats().flow_frames


class Caller:
    """Somebody who may end a request early, in one way or another."""

    ERRORS: ClassVar = {
        "cancel": CancelledError,
        "late": DeadlineExceededError,
        "fail": ZeroDivisionError,
    }

    def __init__(self, engine: IndexTTS2, clips: list[ReferenceAudio], number: int) -> None:
        self.number, self.way = number, ""
        control = Control(cancelled=self._cancelled)
        self.speaking = engine.submit(request(clips, number), control)

    def end(self, way: str) -> None:
        self.way = self.way or way
        if way == "close":
            self.speaking.close()

    def check(self, alone: Alone) -> None:
        made = self.speaking.take()
        alone.check(self.number, made)
        if self.speaking.error is not None:
            assert isinstance(self.speaking.error, self.ERRORS[self.way])
        elif not self.way:
            assert len(made) == len(alone(self.number))

    def _cancelled(self) -> bool:
        if self.way == "fail":
            raise ZeroDivisionError
        if self.way == "late":
            raise DeadlineExceededError("too late")
        return self.way == "cancel"


ARRIVALS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, REQUESTS - 1)),
        st.tuples(st.sampled_from(["cancel", "close", "fail", "late"]), st.integers(0, 3)),
        st.tuples(st.just("tick"), st.integers(1, 25)),
    ),
    min_size=4,
    max_size=14,
)


@given(events=ARRIVALS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_schedule_gives_each_what_it_gets_alone(
    engine: IndexTTS2,
    clips: list[ReferenceAudio],
    alone: Alone,
    events: list[tuple[str, int]],
) -> None:
    callers: list[Caller] = []
    for kind, value in events:
        if kind == "submit":
            callers.append(Caller(engine, clips, value))
        elif kind == "tick":
            tick(engine, value)
        elif value < len(callers):
            callers[value].end(kind)
    tick(engine)
    for caller in callers:
        caller.check(alone)
    nothing_is_left(engine)


def test_a_long_text_starves_nobody_and_streams_come_first(
    engine: IndexTTS2, clips: list[ReferenceAudio]
) -> None:
    long = replace(
        request(clips, 0),
        text=" ".join(SENTENCES[:2] * 6),
        max_text_tokens_per_segment=10,
        segments_per_batch=4,
        sampling=SamplingChanges(num_beams=1, max_mel_tokens=12),
    )
    first = engine.submit(long)
    for _ in range(3):
        engine.tick()
    assert engine.stats().decoding == 4
    short = engine.submit(replace(long, text="Hello.", seed=1))
    stream = engine.submit(replace(long, text="Hello.", seed=2, quick_streaming_tokens=10))
    ended: list[Speaking] = []
    while engine.tick():
        ended += [one for one in (first, short, stream) if one.ended and one not in ended]
    assert ended[0] is stream
    assert ended[1] is short
    assert len(first.take()) > 8


def test_every_sound_can_be_taken_behind_its_round(
    engine: IndexTTS2, alone: Alone, clips: list[ReferenceAudio]
) -> None:
    numbers = (0, 3)
    speaking = [engine.submit(request(clips, number)) for number in numbers]
    taken: list[int] = []
    while engine.tick():
        taken += [len(one.take()) for one in speaking]
    assert sum(taken) == sum(len(alone(number)) for number in numbers)
    assert engine.tick() is False


def test_an_abandoned_stream_leaves_nothing(engine: IndexTTS2, clips: list[ReferenceAudio]) -> None:
    stream = engine.stream(request(clips, 2))
    next(stream)
    assert engine.stats().runs == 1
    gone = weakref.ref(stream._run)
    del stream
    engine.synthesize(request(clips, 1))
    nothing_is_left(engine)
    assert gone() is None


def test_threads_share_the_rounds(
    engine: IndexTTS2, clips: list[ReferenceAudio], alone: Alone
) -> None:
    found: dict[int, list[SegmentAudio]] = {}

    def work(number: int) -> None:
        found[number] = list(engine.stream(request(clips, number)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for number in range(8):
        assert len(found[number]) == len(alone(number))
        alone.check(number, found[number])
    nothing_is_left(engine)


def test_a_thread_that_has_what_it_wants_is_not_kept(
    engine: IndexTTS2, clips: list[ReferenceAudio]
) -> None:
    """Others may go on driving for a long time."""
    short, long = request(clips, 0), replace(request(clips, 9), text=" ".join(SENTENCES[:2] * 12))
    both, order = threading.Barrier(2), list[str]()

    def work(name: str, one: SynthesisRequest) -> None:
        both.wait(60)
        engine.synthesize(one)
        order.append(name)

    threads = [
        threading.Thread(target=work, args=pair) for pair in (("long", long), ("short", short))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert order == ["short", "long"]
