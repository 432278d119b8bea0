"""Sequences that join and leave at any step make what each makes alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indextts.sampling import SamplingOptions
from indextts.stages.decoding.batch import DecodeBatch
from indextts.stages.decoding.lane import DecodeTask, Generated, Slot
from indextts.stages.decoding.session import NativeSession
from indextts.stages.decoding.transformers_session import TransformersSession, build_trunk
from indextts.stages.semantic_gpt import SemanticGPT
from tests.indextts.small_models import small_gpt

OPTIONS = (
    SamplingOptions(num_beams=1),
    SamplingOptions(num_beams=3),
    SamplingOptions(num_beams=3, temperature=1.4, top_k=5, length_penalty=1.0),
    SamplingOptions(num_beams=2, top_p=0.5, repetition_penalty=1.0),
    SamplingOptions(num_beams=1, do_sample=False),
    SamplingOptions(num_beams=3, do_sample=False),
    SamplingOptions(num_beams=1, top_k=0, top_p=1.0, temperature=0.7, repetition_penalty=2.0),
)


@pytest.fixture(scope="module")
def model() -> SemanticGPT:
    made = small_gpt()
    # Random weights would often stop at once.
    made.mel_head.bias[made.config.stop_mel_token] -= 1.0
    return made


def task(model: SemanticGPT, seed: int) -> DecodeTask:
    """A prefix, a limit and options that hang on the seed alone."""
    random = torch.Generator().manual_seed(seed)
    length, limit = (int(torch.randint(2, 40, (), generator=random)) for _ in range(2))
    return DecodeTask(
        prefix=torch.randn(length, model.config.model_dim, generator=random),
        limit=limit,
        options=OPTIONS[seed % len(OPTIONS)],
        generator=torch.Generator().manual_seed(seed),
    )


def open_batch(model: SemanticGPT) -> DecodeBatch:
    return DecodeBatch(NativeSession(model), model.config, model.device)


@torch.inference_mode()
def alone(model: SemanticGPT, seed: int) -> Generated:
    batch = open_batch(model)
    batch.join(task(model, seed))
    while True:
        for _, made in batch.step():
            assert not batch.slots
            return made


def same(a: Generated, b: Generated) -> bool:
    return a.codes.tolist() == b.codes.tolist() and (a.truncated, a.steps) == (b.truncated, b.steps)


# What happens between two steps: a sequence comes, or the n-th leaves before its end.
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 60)),
        st.tuples(st.just("leave"), st.integers(0, 5)),
        st.tuples(st.just("step"), st.integers(1, 12)),
    ),
    min_size=3,
    max_size=14,
)


@given(events=EVENTS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_of_comings_and_goings(model: SemanticGPT, events: list[tuple[str, int]]) -> None:
    batch, seeds = open_batch(model), dict[Slot, int]()
    made: dict[Slot, Generated] = {}
    with torch.inference_mode():
        for kind, number in events:
            if kind == "join":
                seeds[batch.join(task(model, number))] = number
            elif kind == "leave" and number < len(batch.slots):
                gone = batch.slots[number]
                batch.leave([gone])
                assert gone not in batch.slots
            elif kind == "step":
                for _ in range(number):
                    made.update(batch.step())
        while batch.slots:
            made.update(batch.step())
    for slot, one in made.items():
        assert same(one, alone(model, seeds[slot])), seeds[slot]
        assert one.steps <= slot.task.limit


def test_a_batch_that_everybody_has_left_is_as_new(model: SemanticGPT) -> None:
    batch = open_batch(model)
    with torch.inference_mode():
        for seed in range(9):
            batch.join(task(model, seed))
        batch.step()
        batch.leave(batch.slots)
        assert (batch.rows, batch.step()) == (0, [])
        slot = batch.join(task(model, 1))
        assert batch.rows == 3
        made: dict[Slot, Generated] = {}
        while batch.slots:
            made.update(batch.step())
    assert same(made[slot], alone(model, 1))


def test_a_prefix_that_cannot_be_read_changes_nothing(model: SemanticGPT) -> None:
    batch = open_batch(model)
    with torch.inference_mode():
        slot = batch.join(task(model, 1))
        batch.step()
        wrong = replace(task(model, 2), prefix=torch.zeros(3, model.config.model_dim + 1))
        with pytest.raises(RuntimeError):
            batch.join(wrong)
        assert batch.slots == [slot]
        made: dict[Slot, Generated] = {}
        while batch.slots:
            made.update(batch.step())
    assert same(made[slot], alone(model, 1))


def test_a_session_of_one_takes_one_after_the_other(model: SemanticGPT) -> None:
    open_session = partial(TransformersSession, build_trunk(model), model)
    batch = DecodeBatch(open_session(), model.config, model.device)
    with torch.inference_mode():
        for seed in (1, 2):
            assert batch.has_room
            batch.join(task(model, seed))
            assert not batch.has_room
            while batch.slots:
                for _, made in batch.step():
                    assert same(made, alone(model, seed))
