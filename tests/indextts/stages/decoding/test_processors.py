from __future__ import annotations

import math

import pytest
import torch

from indextts.sampling import SamplingOptions
from indextts.stages.decoding.processors import (
    process,
    repetition_penalty,
    top_k,
    top_k_top_p,
    top_p,
)
from tests.indextts import goldens
from tests.indextts.goldens import assert_close, needs_goldens


@needs_goldens
def test_processors_match_goldens() -> None:
    """Exact behind the first logarithm: one product, one quotient or one sum a score."""
    golden = goldens.arrays("gpt/processors.npz")
    raw = golden["raw_logits"]
    seen = torch.zeros_like(raw, dtype=torch.bool).scatter(1, golden["history_ids"], True)
    logprobs = golden["beam.logprobs"]
    assert_close(raw.log_softmax(-1), logprobs, atol=1e-6, rtol=1e-6)
    for kind, source, min_keep in (("sample", raw, 1), ("beam", logprobs, 2)):
        scores = repetition_penalty(source, seen, 10.0)
        assert torch.equal(scores, golden[f"{kind}.rep"])
        scores = scores / 0.8
        assert torch.equal(scores, golden[f"{kind}.temp"])
        scores = top_k(scores, 30)
        assert torch.equal(scores, golden[f"{kind}.topk"])
        scores = top_p(scores, 0.8, min_keep)
        assert torch.equal(scores, golden[f"{kind}.topp"])
        options = SamplingOptions(num_beams=1 if kind == "sample" else 3)
        assert torch.equal(process(source, seen, options), scores)
    totals = scores + golden["beam.prev_scores"][:, None]
    assert torch.equal(totals, golden["beam.totals"])
    assert_close(totals.flatten().softmax(-1), golden["beam.sampling_probs"].flatten(), 1e-7)


def test_penalty_acts_once_and_by_sign() -> None:
    scores = torch.tensor([2.0, -2.0, 3.0])
    seen = torch.tensor([True, True, False])
    assert repetition_penalty(scores, seen, 4.0).tolist() == [0.5, -8.0, 3.0]
    assert repetition_penalty(scores, seen, 1.0) is scores


def test_top_k_keeps_ties_and_top_p_keeps_the_best() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0, 2.0])
    assert top_k(scores, 2).tolist() == [-math.inf, 3.0, 2.0, 2.0]
    assert top_k(scores, 0) is scores
    assert top_k(scores, 99).tolist() == scores.tolist()
    kept = top_p(torch.tensor([10.0, 0.0, 0.1]), 0.5, 2)
    assert kept.tolist() == [10.0, -math.inf, torch.tensor(0.1).item()]
    assert top_p(scores, 1.0, 1) is scores


@pytest.mark.parametrize("k", [1, 5, 30])
@pytest.mark.parametrize("p", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("half", [False, True])
def test_top_p_needs_only_what_top_k_leaves(k: int, p: float, half: bool) -> None:
    """Also where, as in half precision, many scores are equal."""
    random = torch.Generator().manual_seed(k)
    for scale in (0.3, 1.0, 5.0):
        scores = scale * torch.randn(3, 400, generator=random)
        if half:
            scores = (scores * 20).round() / 20
        for min_keep in (1, 2):
            chosen = max(k, min_keep)
            expected = top_p(top_k(scores, chosen), p, min_keep)
            assert torch.equal(top_k_top_p(scores, chosen, p, min_keep), expected)


def test_options_without_sampling_only_penalise() -> None:
    scores, seen = torch.randn(5), torch.zeros(5, dtype=torch.bool)
    assert torch.equal(process(scores, seen, SamplingOptions(do_sample=False)), scores)
