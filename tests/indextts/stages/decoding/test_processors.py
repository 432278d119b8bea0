from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from indextts.sampling import SamplingOptions
from indextts.stages.decoding.processors import (
    Plan,
    RowOptions,
    drop_tail,
    process,
    repetition_penalty,
    top_k,
    top_k_drop_tail,
)
from tests.indextts import goldens
from tests.indextts.goldens import assert_close, needs_goldens


def processed(scores: Tensor, seen: Tensor, *options: SamplingOptions) -> Tensor:
    """All processors; for one option of all rows, or each row's own."""
    every = options * len(scores) if len(options) == 1 else options
    vocabulary = scores.shape[-1]
    return process(scores, seen, RowOptions.of(every, vocabulary), Plan.of(every, vocabulary))


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
        scores = drop_tail(scores, 1.0 - 0.8, min_keep)
        assert torch.equal(scores, golden[f"{kind}.topp"])
        options = SamplingOptions(num_beams=1 if kind == "sample" else 3)
        assert torch.equal(processed(source, seen, options), scores)
    totals = scores + golden["beam.prev_scores"][:, None]
    assert torch.equal(totals, golden["beam.totals"])
    assert_close(totals.flatten().softmax(-1), golden["beam.sampling_probs"].flatten(), 1e-7)


def test_penalty_acts_once_and_by_sign() -> None:
    scores = torch.tensor([2.0, -2.0, 3.0])
    seen = torch.tensor([True, True, False])
    assert repetition_penalty(scores, seen, 4.0).tolist() == [0.5, -8.0, 3.0]
    assert torch.equal(repetition_penalty(scores, seen, 1.0), scores)


def test_top_k_keeps_ties_and_top_p_keeps_the_best() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0, 2.0])
    assert top_k(scores, 2).tolist() == [-math.inf, 3.0, 2.0, 2.0]
    assert top_k(scores, 99).tolist() == scores.tolist()
    kept = drop_tail(torch.tensor([10.0, 0.0, 0.1]), 0.5, 2)
    assert kept.tolist() == [10.0, -math.inf, torch.tensor(0.1).item()]
    assert torch.equal(drop_tail(scores, -1.0, 1), scores)


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
            expected = drop_tail(top_k(scores, chosen), 1.0 - p, min_keep)
            assert torch.equal(top_k_drop_tail(scores, chosen, None, 1.0 - p, min_keep), expected)


def test_options_without_sampling_only_penalise() -> None:
    scores, seen = torch.randn(1, 5), torch.zeros(1, 5, dtype=torch.bool)
    assert torch.equal(processed(scores, seen, SamplingOptions(do_sample=False)), scores)


MIXED = [
    SamplingOptions(num_beams=1),
    SamplingOptions(num_beams=1, top_k=0),
    SamplingOptions(num_beams=1, top_k=0, top_p=1.0, temperature=1.0),
    SamplingOptions(num_beams=1, top_p=1.0, repetition_penalty=1.0),
    SamplingOptions(num_beams=1, top_k=3, top_p=0.4, temperature=1.7, repetition_penalty=1.5),
    SamplingOptions(num_beams=1, top_k=100, temperature=0.3),
]


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("chosen", [MIXED, MIXED[:1] + MIXED[3:], MIXED[4:]])
def test_every_row_has_options_of_its_own(beams: int, chosen: list[SamplingOptions]) -> None:
    random = torch.Generator().manual_seed(beams)
    shape = (len(chosen), 400) if beams == 1 else (len(chosen), beams, 400)
    scores = 3 * torch.randn(shape, generator=random)
    seen = torch.rand(shape, generator=random) < 0.1
    own = [replace(one, num_beams=beams) for one in chosen]
    together = processed(scores, seen, *own)
    for row, options in enumerate(own):
        alone = processed(scores[row : row + 1], seen[row : row + 1], options)
        assert torch.equal(together[row], alone[0])
