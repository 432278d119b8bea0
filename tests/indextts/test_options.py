from __future__ import annotations

import math
import reprlib
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from indextts.errors import RequestError
from indextts.options import (
    LENGTH_PENALTY,
    MAX_MEL_TOKENS,
    NUM_BEAMS,
    OPTIONS,
    REPETITION_PENALTY,
    TEMPERATURE,
    TOP_P,
    Option,
)
from indextts.request import SynthesisRequest
from indextts.sampling import SamplingChanges, SamplingOptions
from indextts.stages.decoding.processors import Plan, RowOptions, process

API = Path(__file__).resolve().parents[2] / "docs" / "api.md"
BOUNDED = (*OPTIONS, LENGTH_PENALTY)


def repr_of_few(value: object) -> str:
    """A short name of a test's value; huge integers have none of their own."""
    return "huge" if isinstance(value, int) and abs(value) > 10**9 else reprlib.repr(value)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_a_field_with_its_default_and_documented(option: Option[Any]) -> None:
    home = SamplingOptions if option.of_decoder else SynthesisRequest
    name = option.name
    assert {f.name: f.default for f in fields(home)}[name] == option.default
    if home is SamplingOptions:
        assert name in {f.name for f in fields(SamplingChanges)}
    row = option.markdown()
    assert row in API.read_text(encoding="utf-8"), f"docs/api.md lacks: {row}"


@pytest.mark.parametrize("value", [0, 17, 10**400, 17.0])
def test_outside_the_bounds(value: float) -> None:
    with pytest.raises(RequestError, match="num_beams must be 1 to 16, got"):
        NUM_BEAMS.check(value)


@pytest.mark.parametrize("option", BOUNDED, ids=lambda option: option.name)
@pytest.mark.parametrize(
    "value",
    [True, np.True_, "3", b"3", None, [3], 3j, math.nan, math.inf, -math.inf, 10**400, -(10**5000)],
    ids=repr_of_few,
)
def test_what_is_no_finite_number_is_refused_with_a_sentence(
    option: Option[Any], value: object
) -> None:
    with pytest.raises(RequestError, match=f"^{option.name} must be .*got ") as caught:
        option.check(value)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("option", BOUNDED, ids=lambda option: option.name)
def test_numbers_of_every_kind_become_plain_ones(option: Option[Any]) -> None:
    top = option.maximum
    kinds: tuple[object, ...] = (top, float(top), np.float64(top), np.float32(top), np.int32(top))
    for value in kinds:
        checked = option.check(value)
        assert checked == top
        assert type(checked) is type(option.default)


@pytest.mark.parametrize("value", [2.5, np.float32(2.5), Fraction(5, 2), "two"])
def test_a_whole_number_is_asked_for(value: object) -> None:
    with pytest.raises(RequestError, match=r"num_beams must be a whole number \(1 to 16\), got"):
        NUM_BEAMS.check(value)


def test_samplings_hold_plain_numbers_and_refuse_the_rest() -> None:
    for cls in (SamplingChanges, SamplingOptions):
        made = cls(num_beams=np.int64(2), top_k=30.0, temperature=1, do_sample=True)  # type: ignore[arg-type]
        kinds = [type(value) for value in (made.num_beams, made.top_k, made.temperature)]
        assert kinds == [int, int, float]
        for options in (
            {"top_k": 30.5},
            {"num_beams": "2"},
            {"temperature": True},
            {"length_penalty": "long"},
            {"length_penalty": math.nan},
            {"do_sample": "false"},
        ):
            with pytest.raises(RequestError, match=f"{next(iter(options))} must be"):
                cls(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["temperature", "repetition_penalty"])
@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-39, 0.0099])
def test_scores_are_never_divided_by_next_to_nothing(name: str, value: float) -> None:
    with pytest.raises(RequestError, match=f"{name} must be 0.01 to"):
        SamplingOptions(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("several", [False, True])
def test_scores_stay_finite_at_the_least_and_greatest_options(several: bool) -> None:
    logits = torch.linspace(-40.0, 40.0, 50)[None]
    scores = logits.log_softmax(-1) if several else logits
    seen = torch.ones_like(scores, dtype=torch.bool)
    for edge in ("minimum", "maximum"):
        edges = {o.name: getattr(o, edge) for o in (TEMPERATURE, REPETITION_PENALTY)}
        options = [SamplingOptions(num_beams=2 if several else 1, **edges)]
        found = process(scores, seen, RowOptions.of(options, 50), Plan.of(options, 50))
        assert torch.isfinite(found.softmax(-1)).all()
        assert int(found.argmax()) == 49


@pytest.mark.parametrize("edge", [LENGTH_PENALTY.minimum, LENGTH_PENALTY.maximum])
def test_lengths_stay_finite_at_the_edges_of_the_length_penalty(edge: float) -> None:
    raised = torch.tensor(MAX_MEL_TOKENS.maximum + 1.0) ** edge
    assert 0.0 < raised < math.inf


def test_an_open_bound() -> None:
    TOP_P.check(1.0)
    with pytest.raises(RequestError, match="above 0 and at most 1"):
        TOP_P.check(0.0)
