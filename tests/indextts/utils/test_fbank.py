"""Features at 16 kHz for the speaker encoder and the speech encoder."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from indextts.errors import AudioError
from indextts.utils.fbank import kaldi_fbank, speech_features
from tests.indextts.goldens import arrays, assert_close, needs_goldens


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


@needs_goldens
@pytest.mark.parametrize("name", ["voice_01", "emo_hate"])
def test_golden_style_features(name: str) -> None:
    golden = arrays("audio/features.safetensors")
    fbank = kaldi_fbank(golden[f"{name}.wav16k"])
    assert_close(fbank - fbank.mean(0), golden[f"{name}.kaldi_fbank_centered"], atol=1e-3)


@needs_goldens
def test_golden_fbank_of_campplus() -> None:
    golden = arrays("campplus/campplus_voice01.npz")
    fbank = kaldi_fbank(golden["wav16k"])
    assert_close(fbank, golden["fbank"], atol=2e-3)
    assert float((fbank - golden["fbank"]).abs().mean()) < 1e-4


@needs_goldens
@pytest.mark.parametrize("name", ["voice_01", "emo_hate"])
def test_golden_speech_features(name: str) -> None:
    golden = arrays("audio/features.safetensors")
    features, mask = speech_features(golden[f"{name}.wav16k"])
    assert_close(features, golden[f"{name}.seamless"], atol=5e-6)
    assert torch.equal(mask, golden[f"{name}.seamless_mask"].bool())
    features, mask = speech_features(golden[f"{name}.wav16k"][:, :40400])
    assert_close(features[:, -4:], golden[f"{name}.seamless_odd"], atol=5e-6)
    assert torch.equal(mask, golden[f"{name}.seamless_odd_mask"].bool())


def energies_by_loops(wave: Tensor, frame: int, bins: int, scale: float) -> list[float]:
    """audio.md 4, steps 1 to 3, of one frame."""
    x = [scale * float(value) for value in wave[0, 160 * frame : 160 * frame + 400].double()]
    mean = sum(x) / 400
    x = [value - mean for value in x]
    p = [0.03 * x[0]] + [x[k] - 0.97 * x[k - 1] for k in range(1, 400)]
    w = [p[k] * (0.5 - 0.5 * math.cos(2 * math.pi * k / 399)) ** 0.85 for k in range(400)]
    power = torch.fft.rfft(torch.tensor(w, dtype=torch.float64), 512).abs() ** 2

    def mel(f: float) -> float:
        return 1127 * math.log(1 + f / 700)

    step = (mel(8000) - mel(20)) / (bins + 1)
    result = []
    for band in range(bins):
        left = mel(20) + band * step
        total = 0.0
        for k in range(257):
            m = mel(k * 16000 / 512)
            total += float(power[k]) * max(0.0, min(m - left, left + 2 * step - m) / step)
        result.append(math.log(max(total, 1.1920929e-07)))
    return result


@pytest.mark.parametrize("bins", [80, 7])
def test_formula_of_one_frame(bins: int) -> None:
    wave = noise(1300)
    fbank = kaldi_fbank(wave, bins)
    assert fbank.shape == (6, bins)
    for frame in (0, 5):
        expected = torch.tensor(energies_by_loops(wave, frame, bins, 1.0))
        assert_close(fbank[frame], expected, atol=1e-4)


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (559, 1), (560, 2), (16000, 98)])
def test_only_complete_frames(samples: int, frames: int) -> None:
    assert kaldi_fbank(noise(samples)).shape == (frames, 80)


def test_pairs_and_mask() -> None:
    wave = noise(400 + 160 * 6)  # 7 frames
    features, mask = speech_features(wave)
    assert features.shape == (1, 4, 160)
    assert mask.tolist() == [[True, True, True, False]]
    assert torch.all(features[0, 3, 80:] == 0)
    frames = features[0].reshape(8, 80)[:7].double()
    assert_close(frames.mean(0), torch.zeros(80).double(), atol=1e-5)
    assert_close(frames.var(0, correction=1), torch.ones(80).double(), atol=1e-4)
    raw = torch.tensor([energies_by_loops(wave, frame, 80, 32768.0) for frame in range(7)])
    expected = (raw - raw.mean(0)) / (raw.var(0, correction=1) + 1e-7).sqrt()
    assert_close(frames, expected, atol=1e-4)
    even, mask = speech_features(wave[:, :1300])
    assert even.shape == (1, 3, 160)
    assert mask.all()


def test_constant_signal_stays_finite() -> None:
    features, _ = speech_features(torch.full((1, 4000), 0.3))
    assert torch.isfinite(features).all()
    assert torch.isfinite(kaldi_fbank(torch.zeros(1, 4000))).all()


def test_too_short() -> None:
    with pytest.raises(AudioError, match="too short"):
        kaldi_fbank(noise(399))
    with pytest.raises(AudioError, match="too short"):
        speech_features(noise(559))
