"""The engine speaks: whole, as a stream, with its options."""

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

from indextts.errors import (
    CancelledError,
    ConfigError,
    DeadlineExceededError,
    OutputError,
    RequestError,
)
from indextts.infer_v2 import IndexTTS2
from indextts.request import Control, Progress, Synthesis
from indextts.sampling import SamplingChanges, SamplingOptions
from indextts.stages.synthesis import begun_until
from tests.indextts.asking import LONG_TEXT, clip, request
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice


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


def test_bf16_speaks(tiny_model_dir: Path) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cpu", precision="bf16")
    result = engine.synthesize(request())
    assert engine.precision == "bf16"
    assert np.isfinite(result.waveform).all()
    assert len(result.waveform) > 0
