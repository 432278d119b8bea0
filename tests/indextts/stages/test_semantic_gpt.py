from __future__ import annotations

import pytest
import torch

from indextts.errors import TextError
from tests.indextts import goldens
from tests.indextts.goldens import assert_close, needs_goldens
from tests.indextts.gpt_goldens import golden_prefix, load_golden_gpt, load_variant


@needs_goldens
@pytest.mark.parametrize("name", ["case_a", "case_b"])
def test_prefix_matches_goldens(name: str) -> None:
    case = goldens.arrays(f"gpt/{name}.npz")
    _, prefix = golden_prefix(load_golden_gpt(), case)
    assert_close(prefix[None], case["prefix"], 1e-4)


@needs_goldens
def test_prefix_drops_start_and_stop_ids() -> None:
    model, case = load_golden_gpt(), goldens.arrays("gpt/case_b.npz")
    more = goldens.arrays("gpt/beam_more.npz")
    condition, _ = golden_prefix(model, case)
    prefix = model.gpt.prefix(condition, more["strip.text"].flatten())
    kept = more["strip.prefix_attention"].flatten()[:-1].bool()  # without the place of START
    assert_close(prefix, more["strip.prefix"][0][-len(prefix) :], 1e-4)
    assert len(prefix) <= len(kept)
    latents = model.gpt.latents(
        [condition], [more["strip.text"].flatten()], [more["strip.codes"].flatten()]
    )
    assert_close(latents[0][None], more["strip.latents"], 1e-4)


@needs_goldens
@pytest.mark.parametrize("name", ["case_a", "case_b"])
@pytest.mark.parametrize("variant", ["plain", "stop"])
def test_latents_match_goldens(name: str, variant: str) -> None:
    case, model = goldens.arrays(f"gpt/{name}.npz"), load_variant(variant)
    condition, _ = golden_prefix(model, case)
    codes = case[f"{variant}.trimmed_codes"].flatten()
    latents = model.gpt.latents([condition], [case["text"][0]], [codes])
    assert_close(latents[0][None], case[f"{variant}.latents"], 1e-4)


@needs_goldens
def test_latents_of_a_batch_equal_those_alone() -> None:
    model = load_golden_gpt()
    cases = [goldens.arrays(f"gpt/case_{name}.npz") for name in "ab"]
    conditions = [golden_prefix(model, case)[0] for case in cases]
    texts = [case["text"][0] for case in cases]
    codes = [
        case["plain.trimmed_codes"].flatten()[:n] for case, n in zip(cases, (5, 20), strict=True)
    ]
    together = model.gpt.latents(conditions, texts, codes)
    for i, latents in enumerate(together):
        alone = model.gpt.latents(conditions[i : i + 1], texts[i : i + 1], codes[i : i + 1])
        assert_close(latents, alone[0], 1e-5)


@needs_goldens
def test_too_long_text_is_refused() -> None:
    model = load_golden_gpt()
    condition = torch.zeros(34, model.config.model_dim)
    with pytest.raises(TextError, match="at most 40"):
        model.gpt.prefix(condition, torch.full((41,), 5))
