"""A segment on its way: what becomes of the codes that were drawn for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from indextts.errors import EmptyGenerationError
from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.stages.decoding.lane import Generated
from indextts.stages.member import Member
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> IndexTTS2:
    return IndexTTS2(tiny_model_dir, device="cpu")


def anything_goes(seed: int, beams: int) -> SynthesisRequest:
    """Nothing keeps START from being drawn: no penalty, no top-k, no top-p."""
    return SynthesisRequest(
        SENTENCES[0],
        ReferenceAudio(voice(1, 0.6), SAMPLE_RATE),
        seed=seed,
        sampling=SamplingChanges(
            num_beams=beams, repetition_penalty=1.0, temperature=1.5, top_k=0, top_p=1.0
        ),
    )


@contextmanager
def start_likelier(engine: IndexTTS2, logit: float) -> Iterator[None]:
    """So much is added to the score of START, which trained weights hardly ever draw."""
    bias, start = engine.networks.gpt.mel_head.bias, engine.networks.config.gpt.start_mel_token
    before = bias.clone()
    with torch.inference_mode():
        bias[start] += logit
    try:
        yield
    finally:
        with torch.inference_mode():
            bias.copy_(before)


def test_start_ends_the_codes_as_stop_does(
    engine: IndexTTS2, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, has_decoded = engine.networks.config.gpt.start_mel_token, Member.has_decoded
    drawn: list[Generated] = []

    def spy(self: Member, made: Generated) -> None:
        drawn.append(made)
        has_decoded(self, made)

    monkeypatch.setattr(Member, "has_decoded", spy)
    cut = 0
    for seed in range(8):
        drawn.clear()
        with start_likelier(engine, 1.5):
            (segment,) = engine.synthesize(anything_goes(seed, beams=1 + 2 * (seed % 2))).segments
        until_start = []
        for made in drawn:
            codes = made.codes.tolist()
            until_start.append(codes[: codes.index(start)] if start in codes else codes)
            cut += start in codes
        assert segment.codes.tolist() in until_start
        assert len(segment.codes) == max(map(len, until_start))
        ended_early = segment.codes.tolist() not in [made.codes.tolist() for made in drawn]
        assert not (ended_early and segment.truncated)
    assert cut > 2


def test_nothing_but_start_is_nothing_spoken(engine: IndexTTS2) -> None:
    with start_likelier(engine, 1e4), pytest.raises(EmptyGenerationError, match="segment 1 of 1"):
        engine.synthesize(anything_goes(1, beams=1))
