from __future__ import annotations

import math

import torch

from indextts.sampling import SamplingOptions
from indextts.stages.decoding.processors import process, repetition_penalty, top_k, top_p
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


def test_options_without_sampling_only_penalise() -> None:
    scores, seen = torch.randn(5), torch.zeros(5, dtype=torch.bool)
    assert torch.equal(process(scores, seen, SamplingOptions(do_sample=False)), scores)
