"""The three signals made of a clip."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from indextts.clip_bounds import MIN_SECONDS
from indextts.errors import AudioError
from indextts.request import ReferenceAudio
from indextts.utils.audio_file import read_audio
from indextts.utils.resample import _resample, emotion_signal, speaker_signal, to_16k
from tests.indextts.goldens import SHARED, arrays, assert_close, json_file, needs_goldens


def noise(rate: int, seconds: float, channels: int | None = None, seed: int = 0) -> ReferenceAudio:
    shape = (round(rate * seconds),) if channels is None else (channels, round(rate * seconds))
    samples = 0.2 * np.random.default_rng(seed).standard_normal(shape)
    return ReferenceAudio(samples.astype(np.float32), rate)


@needs_goldens
@pytest.mark.parametrize("name", ["voice_01", "emo_hate"])
def test_golden_signals(name: str) -> None:
    golden = arrays("audio/features.safetensors")
    meta = json_file("audio/meta.json")[name]
    clip = read_audio(SHARED / "assets" / "voices" / f"{name}.wav")
    at_22k = speaker_signal(clip)
    assert_close(at_22k, golden[f"{name}.wav22k"], atol=1e-4)
    assert_close(to_16k(golden[f"{name}.wav22k"]), golden[f"{name}.wav16k"], atol=1e-6)
    assert_close(to_16k(at_22k), golden[f"{name}.wav16k"], atol=1e-4)
    emotion = emotion_signal(clip)
    assert emotion.shape == (1, meta["emo16k_samples"])
    assert_close(emotion[:, :2000], golden[f"{name}.emo16k_head"], atol=1e-4)
    assert float(emotion.abs().double().sum()) == pytest.approx(meta["emo16k_sum_abs"], rel=1e-5)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [None, 1, 2, 8])
def test_lengths_and_types(rate: int, channels: int | None) -> None:
    clip = noise(rate, 0.37, channels)
    samples = clip.samples.shape[-1]
    at_22k = speaker_signal(clip)
    assert at_22k.dtype == torch.float32
    assert at_22k.shape == (1, math.ceil(samples * (22050 / rate)))
    assert to_16k(at_22k).shape == (1, math.ceil(16000 * at_22k.shape[1] / 22050))
    assert emotion_signal(clip).shape == (1, math.ceil(samples * (16000 / rate)))


@pytest.mark.parametrize("rate", [4000, 8000, 22051, 44100, 48000, 96000])
def test_cutting_first_equals_cutting_last(rate: int) -> None:
    clip = noise(rate, 19.3)
    for target, signal in ((22050, speaker_signal(clip)), (16000, emotion_signal(clip))):
        whole = _resample(clip.samples, rate, target)[: 15 * target]
        np.testing.assert_array_equal(signal[0].numpy(), whole)


def test_a_tone_survives() -> None:
    rate = 48000
    wave = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32) * 0.3
    clip = ReferenceAudio(np.stack([wave, wave]), rate)
    for signal, target in (
        (speaker_signal(clip), 22050),
        (to_16k(speaker_signal(clip)), 16000),
        (emotion_signal(clip), 16000),
    ):
        expected = 0.3 * torch.sin(2 * math.pi * 440 * torch.arange(target) / target)
        inner = slice(1000, target - 1000)
        assert_close(signal[0, inner], expected[inner], atol=1e-3)


def test_sinc_formula_sample_by_sample() -> None:
    wave = torch.randn(1, 700, generator=torch.Generator().manual_seed(3))
    result = to_16k(wave)[0]
    old, new = 441, 320
    base = new * 0.99
    for index in (0, 1, 5, 200, 317, 507):
        block, phase = divmod(index, new)
        total = 0.0
        for tap in range(-9, 9 + old):
            place = block * old + tap
            if 0 <= place < 700:
                time = max(-6.0, min(6.0, (tap / old - phase / new) * base))
                sinc = 1.0 if time == 0 else math.sin(math.pi * time) / (math.pi * time)
                total += float(wave[0, place]) * math.cos(math.pi * time / 12) ** 2 * sinc
        assert float(result[index]) == pytest.approx(total * base / old, abs=5e-5)


def test_equal_rates_pass_through() -> None:
    clip = noise(16000, 0.2)
    assert_close(emotion_signal(clip)[0], torch.from_numpy(clip.samples), atol=0)
    wave = emotion_signal(clip)
    assert to_16k(wave, 16000) is wave


def test_the_clip_is_not_shared() -> None:
    clip = noise(16000, 0.2)
    before = clip.samples.copy()
    emotion_signal(clip).zero_()
    np.testing.assert_array_equal(clip.samples, before)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (noise(22050, 0.09), "at least 0.1 s"),
        (ReferenceAudio(np.zeros(0, np.float32), 22050), "at least 0.1 s"),
        (ReferenceAudio(np.zeros(22050, np.float32), 22050), "silent"),
        (ReferenceAudio(np.full((2, 48000), 5e-5, np.float32), 48000), "silent"),
        (ReferenceAudio(noise(22050, 1).samples * 30000, 22050), "scale"),
        (ReferenceAudio(np.full((2, 48000), 3e38, np.float32), 48000), "scale"),
        (ReferenceAudio(noise(22050, 1).samples, 100), "100 Hz"),
    ],
)
def test_unusable_clips_say_why(clip: ReferenceAudio, message: str) -> None:
    with np.errstate(over="ignore"):
        for signal in (speaker_signal, emotion_signal):
            with pytest.raises(AudioError, match=message):
                signal(clip)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_a_clip_that_lacks_one_sample_does_not_seem_to_last_long_enough(rate: int) -> None:
    enough = math.ceil(MIN_SECONDS * rate)
    speaker_signal(noise(rate, enough / rate))
    short = ReferenceAudio(noise(rate, 1).samples[: enough - 1], rate)
    with pytest.raises(AudioError, match=r"lasts 0\.099 s; at least 0\.1 s are needed"):
        speaker_signal(short)


def test_sound_behind_the_first_15_seconds_is_not_heard() -> None:
    samples = np.zeros(8000 * 20, np.float32)
    samples[8000 * 17 :] = 0.5
    with pytest.raises(AudioError, match="silent"):
        speaker_signal(ReferenceAudio(samples, 8000))


def test_shortest_clip_serves_every_feature() -> None:
    from indextts.utils.fbank import kaldi_fbank, speech_features

    clip = noise(48000, 0.1)
    at_16k = to_16k(speaker_signal(clip))
    assert kaldi_fbank(at_16k).shape == (8, 80)
    assert speech_features(emotion_signal(clip))[0].shape == (1, 4, 160)
