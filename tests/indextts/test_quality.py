"""The two classes: what each of them speaks, side by side, and what happens when one fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from indextts.errors import ConfigError, QualityUnavailableError, RequestError
from indextts.infer_v2 import IndexTTS2
from indextts.layers import reduced
from indextts.lines import Lines
from indextts.quality import QUALITIES, FastClass, check_quality
from indextts.request import ReferenceAudio, SegmentAudio, Synthesis, SynthesisRequest
from indextts.sampling import SamplingChanges, SamplingOptions
from indextts.stages.device import choose_weights
from indextts.stream import join_segments
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

# One that saves something of everything that the tiny model has: 4 steps, 3 beams, clips of 2 s.
FAST = FastClass(diffusion_steps=2, prompt_seconds=1.0, num_beams=1)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def clip() -> ReferenceAudio:
    return ReferenceAudio(voice(1, 2.0), SAMPLE_RATE)


@pytest.fixture(scope="module")
def asked(clip: ReferenceAudio) -> SynthesisRequest:
    return SynthesisRequest(SENTENCES[0], clip, seed=7, sampling=SamplingChanges(max_mel_tokens=20))


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> IndexTTS2:
    return IndexTTS2(tiny_model_dir, device="cpu", fast=FAST)


@pytest.fixture(scope="module")
def exact(engine: IndexTTS2, asked: SynthesisRequest) -> Synthesis:
    return engine.synthesize(asked)


@pytest.fixture(scope="module")
def fast(engine: IndexTTS2, asked: SynthesisRequest) -> Synthesis:
    return engine.synthesize(replace(asked, quality="fast"))


def test_each_class_repeats_itself(
    engine: IndexTTS2, asked: SynthesisRequest, exact: Synthesis, fast: Synthesis
) -> None:
    assert (exact.quality, fast.quality) == ("exact", "fast")
    assert engine.synthesize(asked).waveform.tobytes() == exact.waveform.tobytes()
    again = engine.synthesize(replace(asked, quality="fast"))
    assert again.waveform.tobytes() == fast.waveform.tobytes()
    assert fast.waveform.tobytes() != exact.waveform.tobytes()


def test_exact_does_not_know_of_the_fast_class(
    tiny_model_dir: Path, asked: SynthesisRequest, exact: Synthesis
) -> None:
    """Whichever was there first: the same bytes, and those of an engine without the other."""
    other = IndexTTS2(tiny_model_dir, device="cpu", quality="fast", fast=FAST)
    assert other.facts.quality == "fast"
    assert other.synthesize(asked).quality == "fast"
    beside = other.synthesize(replace(asked, quality="exact"))
    assert beside.waveform.tobytes() == exact.waveform.tobytes()
    plain = IndexTTS2(tiny_model_dir, device="cpu").synthesize(asked)
    assert plain.waveform.tobytes() == exact.waveform.tobytes()


@pytest.mark.parametrize(
    "own",
    [
        FastClass("fp32", diffusion_steps=2),
        FastClass("fp32", prompt_seconds=1.0),
        FastClass("fp32", num_beams=1),
    ],
)
def test_each_saving_is_heard(
    tiny_model_dir: Path, asked: SynthesisRequest, exact: Synthesis, own: FastClass
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", quality="fast", fast=own)
    waveform = engine.synthesize(asked).waveform
    assert waveform.tobytes() != exact.waveform.tobytes()
    if own.num_beams is None:
        assert len(waveform) == len(exact.waveform), "the codes are the same"


def test_nothing_is_saved_where_nothing_is_asked_for(
    tiny_model_dir: Path, asked: SynthesisRequest, exact: Synthesis
) -> None:
    """Nor where the checkpoint itself does less."""
    more = FastClass("fp32", diffusion_steps=50, prompt_seconds=15.0, num_beams=16)
    for own in (FastClass("fp32"), more):
        engine = IndexTTS2(tiny_model_dir, device="cpu", quality="fast", fast=own)
        assert engine.synthesize(asked).waveform.tobytes() == exact.waveform.tobytes()


def test_what_a_request_sets_beats_its_class(
    engine: IndexTTS2, asked: SynthesisRequest, fast: Synthesis
) -> None:
    for sampling in (
        SamplingChanges(max_mel_tokens=20, num_beams=3),
        SamplingOptions(max_mel_tokens=20, num_beams=3),
    ):
        made = engine.synthesize(replace(asked, quality="fast", sampling=sampling))
        assert [s.codes.tolist() for s in made.segments] != [
            s.codes.tolist() for s in fast.segments
        ]


def test_both_classes_at_once(
    engine: IndexTTS2, asked: SynthesisRequest, exact: Synthesis, fast: Synthesis
) -> None:
    """In the rounds of one thread, with a second of each beside it."""
    others = [replace(asked, text=SENTENCES[1], quality=q) for q in ("exact", "fast")]
    speaking = [engine.submit(one) for one in (asked, replace(asked, quality="fast"), *others)]
    made: list[list[SegmentAudio]] = [[] for _ in speaking]
    assert engine.stats().runs == 4
    while engine.tick():
        pass
    for segments, one in zip(made, speaking, strict=True):
        segments += one.take()
        assert one.error is None
        assert one.ended
    assert [one.quality for one in speaking] == ["exact", "fast", "exact", "fast"]
    for segments, expected in zip(made, (exact, fast), strict=False):
        np.testing.assert_allclose(join_segments(segments), expected.waveform, atol=TOLERANCE)
    stats = engine.stats()
    assert (stats.runs, stats.decoding) == (0, 0)


def test_a_class_that_cannot_be_made_ready_fails_its_own_requests(
    tiny_model_dir: Path,
    asked: SynthesisRequest,
    exact: Synthesis,
    fast: Synthesis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", fast=FAST)

    def fail(*_: object) -> None:
        raise MemoryError("no 2 GB left")

    with monkeypatch.context() as broken:
        broken.setattr(Lines, "_build", fail)
        beside = engine.submit(asked)
        speaking = engine.submit(replace(asked, quality="fast"))
        assert speaking.ended
        assert speaking.quality == "fast"
        assert isinstance(speaking.error, QualityUnavailableError)
        assert "quality 'fast' could not be made ready: no 2 GB left" in str(speaking.error)
        assert not beside.ended
        while engine.tick():
            pass
        assert join_segments(beside.take()).tobytes() == exact.waveform.tobytes()
        with pytest.raises(QualityUnavailableError, match="no 2 GB left"):
            engine.synthesize(replace(asked, quality="fast"))
    made = engine.synthesize(replace(asked, quality="fast"))
    assert made.waveform.tobytes() == fast.waveform.tobytes(), "the next one tries again"


def test_classes_share_the_cache_and_not_what_is_in_it(
    tiny_model_dir: Path, asked: SynthesisRequest
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", fast=FAST)
    engine.synthesize(asked)
    entries = engine.cache_stats().entries
    engine.synthesize(replace(asked, quality="fast"))
    assert engine.cache_stats().entries == 2 * entries
    engine.release_memory()
    assert engine.cache_stats().entries == 0


def test_the_facts_say_what_fast_is(engine: IndexTTS2) -> None:
    facts = engine.facts
    assert facts.quality == "exact"
    assert facts.fast_class is not None
    assert facts.fast_class.endswith(", 2 diffusion steps, 1 s of the clip, 1 beam")


def test_reduced_weights(
    tiny_model_dir: Path,
    asked: SynthesisRequest,
    exact: Synthesis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever class is there first, and wherever its weights come from: the same sounds."""
    weights = choose_weights("auto", torch.device("cpu")).reduced
    if weights is None:
        pytest.skip("this processor has instructions for neither")
    monkeypatch.setattr(reduced, "LEAST_LINEAR", {"bf16": 0, "int8": 0})
    monkeypatch.setattr(reduced, "LEAST_CONV", 0)
    beside = IndexTTS2(tiny_model_dir, device="cpu")
    made = beside.synthesize(replace(asked, quality="fast")).waveform.tobytes()
    assert made != exact.waveform.tobytes()
    assert beside.synthesize(asked).waveform.tobytes() == exact.waveform.tobytes()
    first = IndexTTS2(tiny_model_dir, device="cpu", quality="fast")
    assert first.synthesize(asked).waveform.tobytes() == made
    own = first.synthesize(replace(asked, quality="exact"))
    assert own.waveform.tobytes() == exact.waveform.tobytes()
    given = IndexTTS2.from_networks(beside.networks)
    assert given.synthesize(replace(asked, quality="fast")).waveform.tobytes() == made
    assert given.synthesize(asked).waveform.tobytes() == exact.waveform.tobytes()
    assert (first.facts.fast_class or "").startswith(f"{weights} matrices, ")


@pytest.mark.parametrize("quality", ["exact", "fast"])
def test_matrices_that_are_too_small_to_gain_stay_and_are_shared(
    tiny_model_dir: Path, asked: SynthesisRequest, exact: Synthesis, quality: str
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", quality=quality, fast=FastClass("auto", None))
    assert (engine.facts.fast_class or "").startswith("fp32 (")
    made = {q: engine.synthesize(replace(asked, quality=q)) for q in QUALITIES}
    assert made["exact"].waveform.tobytes() == exact.waveform.tobytes()
    assert made["fast"].waveform.tobytes() == exact.waveform.tobytes()
    assert engine._lines.get("exact").networks is engine._lines.get("fast").networks


def test_a_processor_without_the_instructions_keeps_fp32_and_says_so(
    tiny_model_dir: Path,
    asked: SynthesisRequest,
    exact: Synthesis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    engine = IndexTTS2(tiny_model_dir, device="cpu", quality="fast", fast=FastClass("auto"))
    assert engine.synthesize(asked).waveform.tobytes() == exact.waveform.tobytes()
    assert engine.facts.fast_class == (
        "fp32 (this processor has no VNNI, AVX512_BF16 or AMX), 4 diffusion steps, 3 beams"
    )


def test_names_and_bounds(asked: SynthesisRequest, tiny_model_dir: Path) -> None:
    assert check_quality("fast") == "fast"
    with pytest.raises(ConfigError, match="'best' is none of exact, fast"):
        IndexTTS2(tiny_model_dir, device="cpu", quality="best")
    with pytest.raises(RequestError, match="quality must be one of exact, fast"):
        replace(asked, quality="best")  # type: ignore[arg-type]
    for wrong in (
        {"weights": "int4"},
        {"diffusion_steps": 0},
        {"prompt_seconds": 0.5},
        {"prompt_seconds": float("nan")},
        {"num_beams": 17},
    ):
        with pytest.raises(ConfigError, match=f"fast class: {next(iter(wrong))} must be"):
            FastClass(**wrong)  # type: ignore[arg-type]
