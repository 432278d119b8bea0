from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from indextts.errors import RequestError
from indextts.options import NUM_BEAMS, OPTIONS, TOP_P, Option
from indextts.request import SynthesisRequest
from indextts.sampling import SamplingChanges, SamplingOptions

API = Path(__file__).resolve().parents[2] / "docs" / "api.md"


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_a_field_with_its_default_and_documented(option: Option[Any]) -> None:
    home = SamplingOptions if option.of_decoder else SynthesisRequest
    name = option.name
    assert {f.name: f.default for f in fields(home)}[name] == option.default
    if home is SamplingOptions:
        assert name in {f.name for f in fields(SamplingChanges)}
    row = option.markdown()
    assert row in API.read_text(encoding="utf-8"), f"docs/api.md lacks: {row}"


@pytest.mark.parametrize("value", [0, 17, math.nan, math.inf])
def test_outside_the_bounds(value: float) -> None:
    with pytest.raises(RequestError, match="num_beams must be 1 to 16"):
        NUM_BEAMS.check(value)


def test_an_open_bound() -> None:
    TOP_P.check(1.0)
    with pytest.raises(RequestError, match="above 0 and at most 1"):
        TOP_P.check(0.0)
