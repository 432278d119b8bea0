"""What fails in company: steps, memory, noise, decoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from indextts.errors import (
    ConfigError,
    NonFiniteAudioError,
    TextError,
)
from indextts.infer_v2 import IndexTTS2
from indextts.request import Control, ReferenceAudio
from indextts.stages.decoding.batch import DecodeBatch
from indextts.stages.decoding.session import NativeSession
from indextts.stages.flow_queue import FlowQueue
from indextts.stages.member import Member
from indextts.stages.synthesis import SynthesisRun
from tests.indextts.scheduler.company import (
    Alone,
    nothing_is_left,
    request,
    tick,
    work_through,
)


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
    assert engine.tick()
    assert speaking.ended
    assert engine.tick() is False
    assert isinstance(speaking.error, TextError)
    speaking.close()
