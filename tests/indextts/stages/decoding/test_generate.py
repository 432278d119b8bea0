from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from indextts.errors import CancelledError
from indextts.sampling import SamplingOptions
from indextts.stages.decoding import beam
from indextts.stages.decoding.processors import RowOptions
from tests.indextts import goldens
from tests.indextts.goldens import assert_close, needs_goldens
from tests.indextts.gpt_goldens import (
    GREEDY,
    MAX_CODES,
    golden_prefix,
    load_golden_gpt,
    load_variant,
    run,
    with_stop,
)

pytestmark = needs_goldens
BEAMS = SamplingOptions(do_sample=False, num_beams=3)
CASES = pytest.mark.parametrize("name", ["case_a", "case_b"])
VARIANTS = pytest.mark.parametrize("variant", ["plain", "stop"])


@CASES
@VARIANTS
def test_greedy_codes_match_goldens(name: str, variant: str) -> None:
    case, model = goldens.arrays(f"gpt/{name}.npz"), load_variant(variant)
    _, prefix = golden_prefix(model, case)
    (result,) = run(model, [prefix], GREEDY)
    assert with_stop(model, result) == case[f"{variant}.greedy_codes"].flatten().tolist()
    assert result.codes.tolist() == case[f"{variant}.trimmed_codes"].flatten().tolist()
    (result,) = run(model, [prefix], replace(GREEDY, repetition_penalty=1.0))
    assert with_stop(model, result) == case[f"{variant}.greedy_codes_norep"].flatten().tolist()


@CASES
@VARIANTS
def test_logits_match_goldens(name: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from indextts.stages.decoding import sample

    case, model = goldens.arrays(f"gpt/{name}.npz"), load_variant(variant)
    logits, scores = [], []

    def spy_process(raw: torch.Tensor, *others: Any) -> object:
        logits.append(raw[0])
        scores.append(original(raw, *others))
        return scores[-1]

    original = sample.process
    monkeypatch.setattr(sample, "process", spy_process)
    _, prefix = golden_prefix(model, case)
    run(model, [prefix], GREEDY)
    golden = case[f"{variant}.greedy_logits"]
    assert_close(torch.stack(logits)[: len(golden)], golden, 1e-4)
    assert_close(torch.cat(scores)[: len(golden)], case[f"{variant}.greedy_scores"], 1e-3)


@CASES
@VARIANTS
@pytest.mark.parametrize("kind", ["beam", "beam_lp1_norep"])
def test_beam_search_matches_goldens(name: str, variant: str, kind: str) -> None:
    case, model = goldens.arrays(f"gpt/{name}.npz"), load_variant(variant)
    options = BEAMS
    if kind == "beam_lp1_norep":
        options = replace(BEAMS, repetition_penalty=1.0, length_penalty=1.0)
    (result,) = run(model, [golden_prefix(model, case)[1]], options)
    assert with_stop(model, result) == case[f"{variant}.{kind}_codes"].flatten().tolist()
    assert result.steps == int(case[f"{variant}.{kind}_steps"])
    assert result.score == pytest.approx(float(case[f"{variant}.{kind}_score"]), abs=1e-3)


def test_beam_rules_match_goldens() -> None:
    golden = goldens.arrays("gpt/beam_rules.npz")
    extra = float(golden["bias_add_code1_and_start"])
    model = load_golden_gpt(
        float(golden["mel_head_weight_scale"]),
        {"stop": float(golden["stop_bias_add"]), "one": extra, "start": extra},
    )
    prefix = goldens.arrays("gpt/case_b.npz")["prefix"][0]
    (result,) = run(model, [prefix], BEAMS)
    assert with_stop(model, result) == golden["codes"].flatten().tolist()
    assert result.steps == int(golden["steps"])
    assert result.score == pytest.approx(float(golden["score"]), abs=1e-3)


@pytest.mark.parametrize("kind", ["lp1", "lp2", "empty"])
def test_more_beams_match_goldens(kind: str) -> None:
    golden = goldens.arrays("gpt/beam_more.npz")
    scale, stop, length_penalty = golden[f"{kind}.setup"].flatten().tolist()
    model = load_golden_gpt(scale, {"stop": stop})
    prefix = goldens.arrays("gpt/case_b.npz")["prefix"][0]
    (result,) = run(model, [prefix], replace(BEAMS, length_penalty=length_penalty))
    assert with_stop(model, result) == golden[f"{kind}.codes"].flatten().tolist()
    assert result.steps == int(golden[f"{kind}.steps"])
    assert result.score == pytest.approx(float(golden[f"{kind}.score"]), abs=1e-3)


@CASES
@VARIANTS
@pytest.mark.parametrize("beams", [1, 3])
def test_seeded_sampling_matches_goldens(name: str, variant: str, beams: int) -> None:
    case, model = goldens.arrays(f"gpt/{name}.npz"), load_variant(variant)
    options = SamplingOptions(num_beams=beams)
    (result,) = run(model, [golden_prefix(model, case)[1]], options, seeds=[1234])
    golden = case[f"{variant}.sample_beams{beams}_seed1234"].flatten().tolist()
    assert with_stop(model, result) == golden


@VARIANTS
@pytest.mark.parametrize(
    "options", [GREEDY, BEAMS, SamplingOptions(num_beams=1), SamplingOptions(num_beams=3)]
)
def test_a_batch_decodes_as_each_alone(variant: str, options: SamplingOptions) -> None:
    """Different prefixes, limits and stops side by side."""
    model = load_variant(variant)
    prefixes = [golden_prefix(model, goldens.arrays(f"gpt/case_{n}.npz"))[1] for n in "aba"]
    seeds, limits = [1, 2, 3], [MAX_CODES, 11, 5]
    together = run(model, prefixes, options, seeds, limits)
    for i, result in enumerate(together):
        (alone,) = run(model, prefixes[i : i + 1], options, seeds[i : i + 1], limits[i : i + 1])
        assert result.codes.tolist() == alone.codes.tolist()
        assert (result.truncated, result.steps) == (alone.truncated, alone.steps)
        assert len(result.codes) <= limits[i]


def test_every_step_can_stop_the_decode() -> None:
    model = load_variant("plain")
    prefix = golden_prefix(model, goldens.arrays("gpt/case_a.npz"))[1]
    steps: list[int] = []

    def on_step(step: int) -> None:
        steps.append(step)
        if step == 3:
            raise CancelledError("enough")

    from functools import partial

    from indextts.stages.decoding.generate import generate
    from indextts.stages.decoding.session import NativeSession

    with pytest.raises(CancelledError):
        generate(
            partial(NativeSession, model.gpt), model.config, [prefix], [24], GREEDY, None, on_step
        )
    assert steps == [0, 1, 2, 3]


def test_long_decode_outgrows_the_first_window() -> None:
    """The same codes whether the cache grew on the way or was large from the start."""
    from indextts.stages.decoding.session import NativeSession

    model = load_variant("plain")
    prefix = golden_prefix(model, goldens.arrays("gpt/case_a.npz"))[1]
    (small,) = run(model, [prefix], BEAMS, limits=[58])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NativeSession, "first_window", 4)
        patch.setattr(NativeSession, "window_step", 4)
        (grown,) = run(model, [prefix], BEAMS, limits=[58])
    assert grown.codes.tolist() == small.codes.tolist()
    assert len(small.codes) == 58


def test_hypotheses_keep_the_best_and_drop_the_earliest_of_equals() -> None:
    options = RowOptions.of([BEAMS], 4)
    state = beam.start(torch.tensor([9]), torch.zeros(4, dtype=torch.bool), 3, 2, 2, options)
    hypotheses = state.hypotheses
    for score, code in ((-1.0, 10), (-1.0, 11), (-0.5, 12), (-2.0, 13)):
        hypotheses = beam._add(
            hypotheses,
            torch.tensor([True]),
            torch.tensor([score]),
            torch.full((1, 2), code),
            torch.tensor([2]),
        )
    assert sorted(hypotheses.codes[0, :, 0].tolist()) == [11, 12]
    assert hypotheses.worst.tolist() == [-1.0]
