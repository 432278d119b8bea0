"""Requests that share the model each get what they get alone."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indextts.errors import (
    CancelledError,
    ConfigError,
    DeadlineExceededError,
    NonFiniteAudioError,
    TextError,
)
from indextts.infer_v2 import IndexTTS2
from indextts.policy import SchedulerPolicy
from indextts.request import Control, ReferenceAudio, SegmentAudio, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.stages.decoding.batch import DecodeBatch
from indextts.stages.decoding.session import NativeSession
from indextts.stages.flow_queue import FlowQueue
from indextts.stages.member import Member
from indextts.stages.synthesis import SynthesisRun
from indextts.stream import Speaking
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

KINDS = 12
# Every kind, and as many as work at once at most.
REQUESTS = KINDS + 4
TOLERANCE = 1e-4  # of full scale, in company


@pytest.fixture(scope="module")
def clips() -> list[ReferenceAudio]:
    return [ReferenceAudio(voice(seed, 0.6 + 0.2 * seed), SAMPLE_RATE) for seed in range(3)]


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> IndexTTS2:
    engine = IndexTTS2(tiny_model_dir, device="cpu", max_batch=4)
    # As with several cores, however many the tests have.
    engine._line.scheduler.policy = SchedulerPolicy(4, 1, "beside", 1, 1)
    return engine


def request(clips: list[ReferenceAudio], number: int) -> SynthesisRequest:
    """A request that hangs on its number alone: voices, texts, beams, options, emotion, streams."""
    kind = number % KINDS
    text = SENTENCES[number % len(SENTENCES)]
    if kind in (2, 7, 9):
        text = " ".join(SENTENCES[:2])
    return SynthesisRequest(
        text,
        clips[number % 3],
        emotion=clips[(number + 1) % 3] if kind in (1, 4, 8) else None,
        emo_vector=(0.4,) + (0.0,) * 7 if kind == 5 else None,
        seed=number,
        speed=1.3 if kind == 6 else 1.0,
        max_text_tokens_per_segment=20,
        quick_streaming_tokens=10 if kind in (3, 7) else 0,
        segments_per_batch=1 + number % 4,
        sampling=SamplingChanges(
            num_beams=(3, 1, 1, 2)[number % 4],
            do_sample=False if kind == 10 else None,
            temperature=(None, 0.6, 1.3)[number % 3],
            top_k=0 if kind == 11 else None,
            top_p=0.95 if kind == 11 else None,
            max_mel_tokens=10 + number % 17,
        ),
    )


class Alone:
    """What each request gets alone, made once."""

    def __init__(self, engine: IndexTTS2, clips: list[ReferenceAudio]) -> None:
        self._engine, self._clips = engine, clips
        self._known: dict[int, tuple[SegmentAudio, ...]] = {}

    def __call__(self, number: int) -> tuple[SegmentAudio, ...]:
        if number not in self._known:
            one = request(self._clips, number)
            self._known[number] = self._engine.synthesize(one).segments
        return self._known[number]

    def check(self, number: int, made: list[SegmentAudio]) -> None:
        assert len(made) <= len(self(number))
        for own, expected in zip(made, self(number), strict=False):
            assert (own.index, own.text) == (expected.index, expected.text)
            assert own.codes.tolist() == expected.codes.tolist()
            np.testing.assert_allclose(own.waveform, expected.waveform, atol=TOLERANCE)


@pytest.fixture(scope="module")
def alone(engine: IndexTTS2, clips: list[ReferenceAudio]) -> Alone:
    return Alone(engine, clips)


def nothing_is_left(engine: IndexTTS2) -> None:
    stats, scheduler = engine.stats(), engine._line.scheduler
    assert (stats.runs, stats.decoding, stats.flowing, stats.voicing) == (0, 0, 0, 0)
    assert scheduler._roster.is_clear
    assert scheduler._beside.free
    assert not list(scheduler._places)
    assert not scheduler._batch.slots
    assert not scheduler._flows._groups


def work_through(
    engine: IndexTTS2, numbers: list[int], at_once: int, clips: list[ReferenceAudio]
) -> dict[int, list[SegmentAudio]]:
    """Submit requests so that `at_once` of them run; their segments by number."""
    waiting, running = list(numbers), dict[int, Speaking]()
    made: dict[int, list[SegmentAudio]] = {number: [] for number in numbers}
    while waiting or running:
        while waiting and len(running) < at_once:
            number = waiting.pop(0)
            running[number] = engine.submit(request(clips, number))
        engine.tick()
        for number, speaking in tuple(running.items()):
            made[number] += speaking.take()
            if speaking.ended:
                assert speaking.error is None
                del running[number]
    return made


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


def tick(engine: IndexTTS2, most: int = 10_000) -> None:
    for _ in range(most):
        if not engine.tick():
            return


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


def fail_with_many(
    monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], most: int
) -> list[int]:
    """Steps of the decode with more than `most` sequences fail; returns the sizes of the others."""
    step, sizes = DecodeBatch.step, list[int]()

    def failing(self: DecodeBatch) -> Any:
        if len(self.slots) > most:
            step(self)  # it fails behind the step: nobody knows how far it went
            raise error()
        sizes.append(len(self.slots))
        return step(self)

    monkeypatch.setattr(DecodeBatch, "step", failing)
    return sizes


@pytest.mark.parametrize(
    ("error", "counted"),
    [(lambda: torch.OutOfMemoryError("CUDA out of memory"), True), (ArithmeticError, False)],
)
def test_a_failed_step_is_taken_again_with_fewer(
    tiny_model_dir: Path,
    clips: list[ReferenceAudio],
    alone: Alone,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], Exception],
    counted: bool,
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", max_batch=4)
    sizes = fail_with_many(monkeypatch, error, 1)
    numbers = [0, 1, 2, 3]
    made = work_through(engine, numbers, 4, clips)
    for number in numbers:
        assert len(made[number]) == len(alone(number))
        alone.check(number, made[number])
    assert set(sizes) == {1}
    assert (engine.stats().out_of_memory > 0) is counted
    nothing_is_left(engine)
    monkeypatch.undo()
    assert engine.stats().slots == 1
    scheduler = engine._line.scheduler
    scheduler._room._policy = replace(scheduler.policy, calm=4)
    work_through(engine, list(range(12)), 4, clips)
    assert engine.stats().slots == 4


def test_what_fails_alone_fails_alone(
    engine: IndexTTS2,
    clips: list[ReferenceAudio],
    alone: Alone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = DecodeBatch.step

    def failing(self: DecodeBatch) -> Any:
        if any(slot.task.limit == request(clips, 3).sampling.max_mel_tokens for slot in self.slots):
            raise ArithmeticError("only with him")
        return step(self)

    monkeypatch.setattr(DecodeBatch, "step", failing)
    speaking = {number: engine.submit(request(clips, number)) for number in (0, 1, 3, 4)}
    tick(engine)
    assert isinstance(speaking[3].error, ArithmeticError)
    for number in (0, 1, 4):
        assert speaking[number].error is None
        alone.check(number, speaking[number].take())
    nothing_is_left(engine)
    engine._line.scheduler._room.slots = 4


def test_noise_in_one_voice_reaches_nobody_else(
    engine: IndexTTS2, clips: list[ReferenceAudio], alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member whose numbers are NaN from its first step on."""
    task, latents = Member.task, Member.latents

    def broken_task(self: Member) -> Any:
        made = task(self)
        if self._utterance.seed == 2:
            return replace(made, prefix=made.prefix * torch.nan)
        return made

    def broken_latents(self: Member) -> torch.Tensor:
        made = latents(self)
        return made * torch.nan if self._utterance.seed == 2 else made

    monkeypatch.setattr(Member, "task", broken_task)
    monkeypatch.setattr(Member, "latents", broken_latents)
    speaking = {number: engine.submit(request(clips, number)) for number in (0, 1, 2, 3, 4, 5)}
    tick(engine)
    assert isinstance(speaking[2].error, NonFiniteAudioError)
    for number in (0, 1, 3, 4, 5):
        assert speaking[number].error is None
        alone.check(number, speaking[number].take())
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


def test_an_abandoned_stream_leaves_nothing(engine: IndexTTS2, clips: list[ReferenceAudio]) -> None:
    stream = engine.stream(request(clips, 2))
    next(stream)
    assert engine.stats().runs == 1
    gone = weakref.ref(stream._run)
    del stream
    engine.synthesize(request(clips, 1))
    nothing_is_left(engine)
    assert gone() is None


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (DecodeBatch, "step", 5),
        (DecodeBatch, "join", 2),
        (Member, "has_decoded", 1),
        (Member, "latents", 1),
        (Member, "begin_flow", 2),
        (FlowQueue, "step", 3),
        (Member, "speak", 2),
        (SynthesisRun, "next_member", 2),
        (SynthesisRun, "prepare", 2),
        (SynthesisRun, "tell", 4),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_an_interrupted_round_is_made_up_for(
    engine: IndexTTS2,
    clips: list[ReferenceAudio],
    alone: Alone,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    call: int,
    after: bool,
) -> None:
    """As with Ctrl-C, which may come anywhere: nothing of those who go on is lost."""
    original, calls = getattr(owner, name), list[int]()

    def interrupted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == call and not after:
            raise KeyboardInterrupt
        made = original(*args, **options)
        if len(calls) == call and after:
            raise KeyboardInterrupt
        return made

    for number in (0, 2, 4):
        alone(number)
    monkeypatch.setattr(owner, name, interrupted)
    speaking = {number: engine.submit(request(clips, number)) for number in (0, 2, 4)}
    with pytest.raises(KeyboardInterrupt):
        tick(engine)
    tick(engine)
    for number, one in speaking.items():
        assert one.error is None
        made = one.take()
        assert len(made) == len(alone(number))
        alone.check(number, made)
    nothing_is_left(engine)


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


class Crashing(NativeSession):
    """As DeepSpeed may: it fails in the middle."""

    capacity = 1

    def step(self, tokens: torch.Tensor, *others: Any) -> torch.Tensor:
        if self._sequences[0].read == 3:
            raise RuntimeError("workspace cannot be allocated")
        return super().step(tokens, *others)


def test_another_decoder_stands_in_for_deepspeed(
    tiny_model_dir: Path, clips: list[ReferenceAudio], alone: Alone
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", max_batch=1)
    decoder = engine._line.decoder
    decoder._deepspeed = partial(Crashing, decoder.model)
    engine._line.scheduler._batch = decoder.open_batch()
    assert engine.facts.deepspeed_enabled
    alone.check(0, list(engine.stream(request(clips, 0))))
    assert not engine.facts.deepspeed_enabled
    nothing_is_left(engine)


def test_deepspeed_is_left_for_a_batch_of_one(
    tiny_model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        IndexTTS2(tiny_model_dir, device="cpu", max_batch=2)
    assert "left for max_batch=1" in caplog.text
    for wrong in (0, "many", True, 1.5):
        with pytest.raises(ConfigError, match="max_batch"):
            IndexTTS2(tiny_model_dir, device="cpu", max_batch=wrong)  # type: ignore[arg-type]


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


def test_callbacks_cannot_use_the_engine(engine: IndexTTS2, clips: list[ReferenceAudio]) -> None:
    def inside() -> bool:
        return bool(engine.tick())

    with pytest.raises(RuntimeError, match="its own callbacks"):
        engine.synthesize(request(clips, 0), Control(cancelled=inside))
    nothing_is_left(engine)


def test_what_cannot_be_read_is_told_and_not_raised(
    engine: IndexTTS2, clips: list[ReferenceAudio]
) -> None:
    speaking = engine.submit(replace(request(clips, 0), text="...!"))
    assert not speaking.ended
    assert engine.tick() is False
    assert speaking.ended
    assert isinstance(speaking.error, TextError)
    speaking.close()


@pytest.fixture(autouse=True)
def left(engine: IndexTTS2) -> Iterator[None]:
    """No test leaves work behind for the next."""
    yield
    tick(engine)
