"""What the engine makes of a text: how it is read and cut, its pauses, what it has not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indextts.errors import (
    ConfigError,
    RequestError,
    TextError,
)
from indextts.infer_v2 import IndexTTS2
from indextts.sampling import SamplingChanges
from indextts.subtitles import segment_cues
from tests.indextts.asking import request
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice


def test_a_request_chooses_how_its_text_is_read(engine: IndexTTS2) -> None:
    assert engine.normalization == "natural"
    text = "hello world. 5 dogs"
    spoken = {
        name: [s.spoken_text for s in engine.synthesize(request(text, normalization=name)).segments]
        for name in (None, "natural", "reference")
    }
    assert spoken[None] == spoken["natural"] == ["hello world. five dogs"]
    assert spoken["reference"] == ["HELLO WORLD. FIVE DOGS"]
    with pytest.raises(RequestError, match="normalization must be one of"):
        request(text, normalization="other")


SILENT = st.lists(st.integers(0, 1500), min_size=1, max_size=2)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(SILENT, st.sampled_from(SENTENCES[:3])), min_size=1, max_size=3), SILENT)
def test_pauses_of_the_text_are_exact(
    engine: IndexTTS2, parts: list[tuple[list[int], str]], behind: list[int]
) -> None:
    def marks(lengths: list[int]) -> str:
        return " ".join(f"[pause {n}ms]" for n in lengths)

    text = " ".join(f"{marks(lengths)} {words}" for lengths, words in parts) + marks(behind)
    result = engine.synthesize(request(text, sampling=SamplingChanges(max_mel_tokens=8)))
    assert [s.text for s in result.segments] == [words for _, words in parts]
    begin = 0
    asked = [SAMPLE_RATE * sum(n) // 1000 for n in (*(n for n, _ in parts), behind)]
    for segment, silence, cue in zip(
        result.segments, asked, segment_cues(result.segments), strict=False
    ):
        assert not result.waveform[begin : begin + silence].any()
        begin += silence
        end = begin + len(segment.waveform)
        assert np.array_equal(result.waveform[begin:end], segment.waveform)
        assert (cue.start, cue.end) == (begin / SAMPLE_RATE, end / SAMPLE_RATE)
        begin = end
    assert not result.waveform[begin:].any()
    assert len(result.waveform) == begin + asked[-1]


def test_pauses_are_told_and_bounded(engine: IndexTTS2) -> None:
    short = SamplingChanges(max_mel_tokens=4)
    text = "hello.\n\nworld [pause] [pause 100ms] fox"
    for interval, between in ((0, 500), (900, 900)):
        result = engine.synthesize(request(text, interval_silence=interval, sampling=short))
        expected = [SAMPLE_RATE * n // 1000 for n in (between, 100, 0)]
        assert [s.pause for s in result.segments] == expected
        assert result.warnings[0].startswith("[pause] is not understood as a pause")
    plain = engine.synthesize(request(text, pauses=False, sampling=short))
    assert [s.pause for s in plain.segments] == [0]
    with pytest.raises(TextError, match="A pause may last 10 s at most"):
        engine.synthesize(request("hello [pause 11s]"))
    with pytest.raises(RequestError, match=r"come to 130 s; at most 120 s .* or shorter pauses"):
        engine.synthesize(request("hello" + " [pause 10s]" * 13, max_audio_seconds=500.0))


def test_a_wrong_normalization_of_the_engine_is_named(tiny_model_dir: Path) -> None:
    with pytest.raises(ConfigError, match="normalization: 'other' is none of natural"):
        IndexTTS2(tiny_model_dir, device="cpu", normalization="other")


def test_a_checkpoint_says_how_its_texts_are_cut(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_dir, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["segmentation"] = {"every_sentence": True, "closing_mark": True}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    cutting = IndexTTS2(folder, device="cpu")
    result = cutting.synthesize(request("hello. how are you? fine"))
    assert [s.spoken_text for s in result.segments] == ["hello.", "how are you?", "fine."]


def test_unknown_characters_are_reported(engine: IndexTTS2) -> None:
    result = engine.synthesize(request("Hello 龘 test."))
    assert any("龘" in warning for warning in result.warnings)


@pytest.mark.parametrize("text", ["", "   ", "...!?", "\n\t", "😀😀"])
def test_nothing_to_speak(engine: IndexTTS2, text: str) -> None:
    with pytest.raises(TextError):
        engine.synthesize(request(text))


def test_infer_makes_pauses_unless_they_are_text(engine: IndexTTS2, tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    sf.write(path, voice(1), SAMPLE_RATE)
    text = f"[pause 700ms] {SENTENCES[0]}"

    def spoken(text: str, pauses: bool) -> NDArray[np.int16]:
        made = engine.infer(path, text, seed=3, pauses=pauses)
        assert isinstance(made, tuple)
        return made[1]

    lead = 7 * SAMPLE_RATE // 10
    led = spoken(text, True)
    assert not led[:lead].any()
    assert np.array_equal(led[lead:], spoken(SENTENCES[0], True))
    assert spoken(text, False)[:lead].any()
