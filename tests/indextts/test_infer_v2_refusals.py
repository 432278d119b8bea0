"""What the engine refuses or reports: lengths, clips, options, files, devices."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from indextts.errors import (
    AudioError,
    ConfigError,
    EmotionTextUnavailableError,
    EmptyGenerationError,
    ModelFileError,
    NonFiniteAudioError,
    RequestError,
)
from indextts.infer_v2 import IndexTTS2
from indextts.request import Control, Progress, ReferenceAudio, SynthesisRequest
from indextts.sampling import SamplingChanges, SamplingOptions
from indextts.stages.decoding.bound import usual_codes
from tests.indextts.asking import LONG_TEXT, clip, request
from tests.indextts.tiny_model import SAMPLE_RATE


def test_the_length_bound_is_reported(engine: IndexTTS2) -> None:
    result = engine.synthesize(request(sampling=SamplingOptions(max_mel_tokens=5)))
    assert result.segments[0].truncated
    assert len(result.segments[0].codes) == 5
    assert "length bound of 5 codes" in result.warnings[0]


def usual_seconds(engine: IndexTTS2, asked: SynthesisRequest) -> float:
    segments = engine.networks.text.segments(asked.text, asked.max_text_tokens_per_segment).segments
    config = engine.networks.config
    codes = sum(usual_codes(config.gpt, len(segment.ids)) for segment in segments)
    mel = config.s2mel.preprocess_params
    return codes * config.s2mel.frames_per_code * mel.spect_params.hop_length / mel.sr


def test_what_would_last_too_long_is_refused_beforehand(engine: IndexTTS2) -> None:
    seen: list[Progress] = []
    long = request(
        LONG_TEXT,
        max_text_tokens_per_segment=20,
        interval_silence=10_000,
        max_audio_seconds=30.0,
    )
    with pytest.raises(RequestError, match="pauses are more than the 30 s"):
        engine.synthesize(long, Control(progress=seen.append))
    silent = replace(
        long, text=LONG_TEXT * 8, max_text_tokens_per_segment=10, max_audio_seconds=3600.0
    )
    with pytest.raises(RequestError, match="take a smaller interval_silence"):
        engine.synthesize(silent, Control(progress=seen.append))
    assert seen == []
    engine.synthesize(replace(long, interval_silence=200))
    # Slow speech lasts longer, fast speech less.
    spoken = replace(long, interval_silence=0, max_audio_seconds=None)
    seconds = usual_seconds(engine, spoken)
    for speed, bound in ((0.5, 2.0 * seconds), (2.0, 0.5 * seconds)):
        engine.synthesize(replace(spoken, speed=speed, max_audio_seconds=1.01 * bound))
        with pytest.raises(RequestError, match="can be spoken in one request"):
            engine.synthesize(replace(spoken, speed=speed, max_audio_seconds=0.99 * bound))


def test_the_numbers_of_a_refusal_tell_which_is_more(engine: IndexTTS2) -> None:
    paused = request("One.[pause 10s]" * 12 + "Two.[pause 1ms]", max_audio_seconds=3600.0)
    with pytest.raises(RequestError, match=r"come to 120\.001 s; at most 120 s"):
        engine.synthesize(paused)
    spoken = request()
    seconds = usual_seconds(engine, spoken)
    for limit in (0.999 * seconds, math.floor(seconds)):
        with pytest.raises(RequestError, match="are more than") as caught:
            engine.synthesize(replace(spoken, max_audio_seconds=limit))
        speech, pauses, most = map(float, re.findall(r"([\d.]+) s\b", str(caught.value)))
        assert speech + pauses > most


def test_an_emotion_that_outweighs_the_voice_is_reported(engine: IndexTTS2) -> None:
    few = SamplingChanges(max_mel_tokens=5)

    def told(**options: object) -> list[str]:
        warnings = engine.synthesize(request(sampling=few, **options)).warnings
        return [warning for warning in warnings if "emo_vector" in warning]

    (warning,) = told(emo_vector=(0.2,) * 8)
    assert "sum to 1.600" in warning
    # Less of it leaves something of the voice.
    assert told(emo_vector=(0.2,) * 8, emo_alpha=0.5) == []
    assert told(emo_vector=(0.125,) * 8) == []
    assert told() == []


def test_too_short_a_segment_is_made_again_and_reported(
    engine: IndexTTS2, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A draw that stops by itself: most of this random model's run to their bound.
    made = (engine.synthesize(request(seed=seed)) for seed in range(40))
    plain = next(one for one in made if not one.segments[0].truncated)
    again = request(seed=plain.seed)
    codes = plain.segments[0].codes
    monkeypatch.setattr("indextts.stages.synthesis.code_minimum", lambda *_: len(codes))
    assert engine.synthesize(again).segments[0].codes.tolist() == codes.tolist()
    monkeypatch.setattr("indextts.stages.synthesis.code_minimum", lambda *_: 10_000)
    (second,) = engine.synthesize(again).segments
    assert len(second.codes) >= len(codes)
    if not second.truncated:
        assert "words may be missing" in engine.synthesize(again).warnings[0]


def test_bad_clips_and_options(engine: IndexTTS2) -> None:
    silent = ReferenceAudio(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE)
    with pytest.raises(AudioError, match="silent") as caught:
        engine.synthesize(SynthesisRequest("Hello.", silent))
    assert caught.value.clip == "speaker"
    with pytest.raises(AudioError, match="silent") as caught:
        engine.synthesize(request(emotion=silent))
    assert caught.value.clip == "emotion"
    with pytest.raises(AudioError, match=r"at least 0\.1 s"):
        engine.synthesize(SynthesisRequest("Hello.", clip(1, 0.05)))
    with pytest.raises(EmotionTextUnavailableError):
        engine.synthesize(request(emo_text="happy"))
    with pytest.raises(RequestError, match="only one"):
        request(emotion=clip(2), emo_vector=(0.1,) * 8)
    with pytest.raises(RequestError, match="8 numbers"):
        request(emo_vector=(0.1,))
    with pytest.raises(RequestError, match="num_beams"):
        SamplingOptions(num_beams=0)


def test_non_finite_audio_is_never_handed_out(
    tiny_model_dir: Path,
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu")
    bias = engine.networks.vocoder._model.conv_pre.bias
    with torch.no_grad():
        bias.copy_(torch.full_like(bias, torch.nan))
    with pytest.raises(NonFiniteAudioError):
        engine.synthesize(request())


def test_a_model_that_says_nothing_is_an_error(tiny_model_dir: Path) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu")
    gpt = engine.networks.gpt
    with torch.no_grad():
        gpt.mel_head.bias[gpt.config.stop_mel_token] = 1e6
    with pytest.raises(EmptyGenerationError, match="segment 1 of 1"):
        engine.synthesize(request())


FILES = [
    "config.yaml",
    "bpe.model",
    "gpt.pth",
    "s2mel.pth",
    "feat1.pt",
    "wav2vec2bert_stats.pt",
    "hf_cache/w2v-bert-2.0/model.safetensors",
    "hf_cache/semantic_codec_model.safetensors",
    "hf_cache/campplus_cn_common.bin",
    "hf_cache/bigvgan/config.json",
    "hf_cache/bigvgan/bigvgan_generator.pt",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_wrong_file_is_named(
    tiny_model_dir: Path, tmp_path: Path, name: str, damage: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_dir, folder)
    path = folder / name
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif path.suffix in (".pth", ".pt", ".bin"):
        torch.save({"other": torch.zeros(3)}, path)
    else:
        path.write_bytes(b"foreign: [content]\n")
    with pytest.raises((ModelFileError, ConfigError)) as caught:
        IndexTTS2(folder, device="cpu")
    assert Path(name).name in str(caught.value)


def test_devices_and_precisions_that_are_not_there(tiny_model_dir: Path) -> None:
    with pytest.raises(ConfigError, match="no device"):
        IndexTTS2(tiny_model_dir, device="gpu")
    with pytest.raises(ConfigError, match="none of auto"):
        IndexTTS2(tiny_model_dir, device="cpu", precision="fp8")
    with pytest.raises(ConfigError, match="needs a GPU"):
        IndexTTS2(tiny_model_dir, device="cpu", precision="fp16")
