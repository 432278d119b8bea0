from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indextts.errors import (
    AudioError,
    CancelledError,
    ConfigError,
    DeadlineExceededError,
    EmotionTextUnavailableError,
    EmptyGenerationError,
    ModelFileError,
    NonFiniteAudioError,
    OutputError,
    RequestError,
    TextError,
)
from indextts.infer_v2 import IndexTTS2
from indextts.request import Control, Progress, ReferenceAudio, Synthesis, SynthesisRequest
from indextts.sampling import SamplingChanges, SamplingOptions
from indextts.stages.decoding.bound import usual_codes
from indextts.stages.synthesis import begun_until
from indextts.subtitles import segment_cues
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

LONG_TEXT = " ".join(SENTENCES[:2] * 3)


def clip(seed: int, seconds: float = 1.0) -> ReferenceAudio:
    return ReferenceAudio(voice(seed, seconds), SAMPLE_RATE)


def request(text: str = SENTENCES[0], speaker: int = 1, **options: object) -> SynthesisRequest:
    options.setdefault("seed", 7)
    return SynthesisRequest(text=text, speaker=clip(speaker), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> IndexTTS2:
    return IndexTTS2(tiny_model_dir, device="cpu")


def same(a: Synthesis, b: Synthesis) -> bool:
    return a.waveform.tobytes() == b.waveform.tobytes()


def test_speaks_and_tells_the_truth_about_it(engine: IndexTTS2) -> None:
    result = engine.synthesize(request(LONG_TEXT, max_text_tokens_per_segment=20))
    assert result.sample_rate == engine.sample_rate == SAMPLE_RATE
    assert result.waveform.dtype == np.float32
    assert np.isfinite(result.waveform).all()
    assert len(result.segments) > 2
    assert [s.index for s in result.segments] == list(range(len(result.segments)))
    pause = int(0.2 * SAMPLE_RATE)
    assert [s.pause for s in result.segments] == [pause] * (len(result.segments) - 1) + [0]
    for segment in result.segments:
        assert len(segment.waveform) == 256 * (len(segment.codes) * 172 // 100)
        assert 1 <= segment.text_tokens <= 21
    total = sum(len(s.waveform) + s.pause for s in result.segments)
    assert len(result.waveform) == total
    assert result.audio_seconds == pytest.approx(total / SAMPLE_RATE)
    seconds = result.seconds
    assert min(seconds.text, seconds.reference, seconds.gpt, seconds.s2mel, seconds.vocoder) > 0
    assert engine.device == "cpu"
    assert engine.precision == "fp32"
    assert not engine.deepspeed_enabled
    assert not engine.supports_emotion_text


def test_same_seed_same_bytes_other_seed_other_bytes(engine: IndexTTS2) -> None:
    first = engine.synthesize(request())
    assert same(first, engine.synthesize(request()))
    assert not same(first, engine.synthesize(request(seed=8)))
    drawn = engine.synthesize(request(seed=None))
    assert same(drawn, engine.synthesize(request(seed=drawn.seed)))


def test_the_cache_changes_nothing_but_the_counters(
    engine: IndexTTS2, tiny_model_dir: Path
) -> None:
    uncached = IndexTTS2(tiny_model_dir, device="cpu", cache_bytes=0)
    warm = [engine.synthesize(request(speaker=5)) for _ in range(2)][1]
    cold = uncached.synthesize(request(speaker=5))
    assert same(warm, cold)
    assert engine.cache_stats().hits > 0
    assert engine.cache_stats().bytes > 0
    assert (uncached.cache_stats().hits, uncached.cache_stats().bytes) == (0, 0)


def test_the_warm_up_leaves_no_trace(
    tiny_model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "indextts"):
        warm = IndexTTS2(tiny_model_dir, device="cpu")
        warmed = [record.message for record in caplog.records if "warm" in record.message]
        cold = IndexTTS2(tiny_model_dir, device="cpu", warm_up=False)
    assert [message.split(" in ")[0] for message in warmed] == ["warming up", "warmed up"]
    assert warmed == [record.message for record in caplog.records if "warm" in record.message]
    assert (warm.cache_stats().entries, warm.cache_stats().misses) == (0, 0)
    assert warm.stats().gpt_steps > cold.stats().gpt_steps == 0
    assert same(warm.synthesize(request()), cold.synthesize(request()))


def test_threads_never_hear_each_other(engine: IndexTTS2) -> None:
    """4 threads, 4 voices, with and without emotion clips: bit-equal to runs alone."""
    requests = [
        request(SENTENCES[i], speaker=10 + i, seed=i, emotion=clip(20 + i) if i % 2 else None)
        for i in range(4)
    ]
    alone = [engine.synthesize(r).waveform.tobytes() for r in requests]
    assert len(set(alone)) == 4
    engine.release_memory()
    failures: list[str] = []
    gate = threading.Barrier(4)

    def work(i: int) -> None:
        gate.wait()
        for turn in range(3):
            if engine.synthesize(requests[i]).waveform.tobytes() != alone[i]:
                failures.append(f"voice {i} in turn {turn}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_released_clips_are_read_again(engine: IndexTTS2) -> None:
    first = engine.synthesize(request(speaker=6))
    engine.release_memory()
    assert engine.cache_stats().bytes == 0
    assert same(first, engine.synthesize(request(speaker=6)))


def test_a_checkpoint_brings_its_own_sampling(
    engine: IndexTTS2, tiny_model_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_dir, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["sampling"] = {"num_beams": 1, "repetition_penalty": 1.0}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    other = IndexTTS2(folder, device="cpu")
    assert other.default_sampling == SamplingOptions(num_beams=1, repetition_penalty=1.0)
    chosen = request(sampling=SamplingOptions(num_beams=1, repetition_penalty=1.0))
    assert same(other.synthesize(request()), engine.synthesize(chosen))
    assert not same(other.synthesize(request()), engine.synthesize(request()))
    # A request changes what it names and nothing else.
    changed = request(sampling=SamplingChanges(repetition_penalty=10.0))
    full = request(sampling=SamplingOptions(num_beams=1))
    assert same(other.synthesize(changed), engine.synthesize(full))
    config["sampling"] = {"num_beams": 0}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(ConfigError, match="num_beams"):
        IndexTTS2(folder, device="cpu")


def test_stream_yields_the_same_segments(engine: IndexTTS2) -> None:
    one = request(LONG_TEXT, max_text_tokens_per_segment=20, segments_per_batch=2)
    whole, parts = engine.synthesize(one), list(engine.stream(one))
    assert len(parts) == len(whole.segments)
    for part, segment in zip(parts, whole.segments, strict=True):
        assert part.waveform.tobytes() == segment.waveform.tobytes()


def test_a_stream_knows_what_the_whole_knows(engine: IndexTTS2) -> None:
    one = request(LONG_TEXT, max_text_tokens_per_segment=20, quick_streaming_tokens=12)
    whole = engine.synthesize(one)
    with engine.stream(one) as stream:
        assert stream.seed == whole.seed
        first = next(stream)
        assert not torch.is_inference_mode_enabled()
        parts = [first, *stream]
    assert np.concatenate([part.with_pause() for part in parts]).tobytes() == (
        whole.waveform.tobytes()
    )
    assert stream.warnings == whole.warnings
    assert stream.seconds.gpt > 0


def test_closing_a_stream_ends_the_work(engine: IndexTTS2) -> None:
    seen: list[Progress] = []
    one = request(LONG_TEXT, max_text_tokens_per_segment=20, quick_streaming_tokens=12)
    stream = engine.stream(one, Control(progress=seen.append))
    next(stream)
    count = len(seen)
    stream.close()
    stream.close()
    assert list(stream) == []
    assert len(seen) == count
    assert {step.last_segment for step in seen} == {0}


@pytest.mark.parametrize(
    ("quick", "until"),
    [
        (0, [8, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
        (12, [1, 2, 4, 4, 8, 8, 8, 8, 9, 9]),
    ],
)
def test_segments_are_begun_in_time_and_not_too_early(quick: int, until: list[int]) -> None:
    """1, 1, 2, 4 ... at a time where the first sound is to come soon."""
    one = request(quick_streaming_tokens=quick)
    assert [begun_until(spoken, 9, one) for spoken in range(10)] == until
    assert [begun_until(spoken, 1, one) for spoken in range(2)] == [1, 1]


def test_a_segment_does_not_depend_on_its_batch(engine: IndexTTS2) -> None:
    """Codes are the same alone and together; sound within rounding."""
    base = request(LONG_TEXT, max_text_tokens_per_segment=20)
    alone = engine.synthesize(replace(base, segments_per_batch=1))
    together = engine.synthesize(replace(base, segments_per_batch=8))
    for a, b in zip(alone.segments, together.segments, strict=True):
        assert a.codes.tolist() == b.codes.tolist()
        np.testing.assert_allclose(a.waveform, b.waveform, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"emotion": clip(3)},
        {"emotion": clip(3), "emo_alpha": 0.5},
        {"emo_vector": (0.5,) + (0.0,) * 7},
        {"emo_vector": (0.5,) + (0.0,) * 7, "use_random": True},
        {"sampling": SamplingOptions(num_beams=1)},
        {"sampling": SamplingOptions(do_sample=False, num_beams=1)},
        {"sampling": SamplingOptions(temperature=1.5)},
    ],
)
def test_options_are_heard(engine: IndexTTS2, options: dict[str, object]) -> None:
    plain, changed = engine.synthesize(request()), engine.synthesize(request(**options))
    assert not same(plain, changed)


def test_alpha_zero_with_a_clip_is_the_speakers_own_emotion_path(engine: IndexTTS2) -> None:
    none = engine.synthesize(request(emotion=clip(3), emo_alpha=0.0))
    other = engine.synthesize(request(emotion=clip(4), emo_alpha=0.0))
    assert same(none, other)


def test_cancelling_stops_in_each_stage(engine: IndexTTS2) -> None:
    for stage in ("gpt", "s2mel"):
        seen: list[Progress] = []
        control = Control(
            cancelled=lambda seen=seen, stage=stage: any(  # type: ignore[misc]
                p.stage == stage and p.done >= 1 for p in seen
            ),
            progress=seen.append,
        )
        with pytest.raises(CancelledError):
            engine.synthesize(request(), control)
        assert (seen[-1].stage, seen[-1].done) == (stage, 1)


def test_deadline(engine: IndexTTS2) -> None:
    with pytest.raises(DeadlineExceededError):
        engine.synthesize(request(), Control(deadline=time.monotonic() - 1))
    engine.synthesize(request(), Control(deadline=time.monotonic() + 600))


def test_the_length_bound_is_reported(engine: IndexTTS2) -> None:
    result = engine.synthesize(request(sampling=SamplingOptions(max_mel_tokens=5)))
    assert result.segments[0].truncated
    assert len(result.segments[0].codes) == 5
    assert "length bound of 5 codes" in result.warnings[0]


def test_speed_changes_the_pace_and_nothing_else(engine: IndexTTS2) -> None:
    usual = request(" ".join(SENTENCES[:2]), sampling=SamplingChanges(max_mel_tokens=20))
    usual = replace(usual, max_text_tokens_per_segment=20)
    plain = engine.synthesize(usual)
    assert same(plain, engine.synthesize(replace(usual, speed=1.0)))
    for speed in (0.5, 1.25, 2.0):
        other = engine.synthesize(replace(usual, speed=speed))
        for a, b in zip(plain.segments, other.segments, strict=True):
            assert a.codes.tolist() == b.codes.tolist()
            assert a.pause == b.pause
            assert len(b.waveform) == 256 * int(len(b.codes) * Fraction("1.72") / Fraction(speed))
        assert np.isfinite(other.waveform).all()
    for speed in (0.49, 2.01, math.nan):
        with pytest.raises(RequestError, match=r"speed must be 0\.5 to 2"):
            request(speed=speed)


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


def usual_seconds(engine: IndexTTS2, asked: SynthesisRequest) -> float:
    segments = engine.networks.text.segments(asked.text, asked.max_text_tokens_per_segment).segments
    gpt = engine.networks.config.gpt
    return sum(usual_codes(gpt, len(segment.ids)) for segment in segments) / 50


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


def test_unknown_characters_are_reported(engine: IndexTTS2) -> None:
    result = engine.synthesize(request("Hello 龘 test."))
    assert any("龘" in warning for warning in result.warnings)


@pytest.mark.parametrize("text", ["", "   ", "...!?", "\n\t", "😀😀"])
def test_nothing_to_speak(engine: IndexTTS2, text: str) -> None:
    with pytest.raises(TextError):
        engine.synthesize(request(text))


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


def test_infer_takes_the_reference_arguments(engine: IndexTTS2, tmp_path: Path) -> None:
    path, out = tmp_path / "voice.wav", tmp_path / "new" / "out.wav"
    sf.write(path, voice(1), SAMPLE_RATE, subtype="FLOAT")
    options = {"seed": 3, "num_beams": 2, "do_sample": False, "top_k": 10}
    assert engine.infer(str(path), SENTENCES[0], str(out), verbose=True, **options) == str(out)
    written, rate = sf.read(out, dtype="int16")
    assert rate == SAMPLE_RATE
    returned = engine.infer(
        spk_audio_prompt=path.read_bytes(), text=SENTENCES[0], output_path=None, **options
    )
    assert isinstance(returned, tuple)
    assert returned[0] == SAMPLE_RATE
    assert returned[1].dtype == np.int16
    assert returned[1].shape == (len(written), 1)
    assert np.abs(returned[1][:, 0].astype(int) - written).max() <= 1
    mp3 = out.with_suffix(".mp3")
    engine.infer(str(path), SENTENCES[0], mp3, **options)
    assert sf.info(mp3).format == "MP3"
    with pytest.raises(OutputError, match=r"must end in one of \.wav"):
        engine.infer("noticed before the voice is read", SENTENCES[0], tmp_path / "out.txt")
    vector = engine.infer(path, SENTENCES[0], emo_audio_prompt=path, emo_vector=[0.1] * 8, seed=3)
    plain = engine.infer(path, SENTENCES[0], emo_vector=[0.1] * 8, seed=3)
    assert np.array_equal(vector[1], plain[1])  # type: ignore[arg-type]


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


def test_bf16_speaks(tiny_model_dir: Path) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", precision="bf16")
    result = engine.synthesize(request())
    assert engine.precision == "bf16"
    assert np.isfinite(result.waveform).all()
    assert len(result.waveform) > 0
