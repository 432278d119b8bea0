"""The acoustic model's mel spectrogram."""

from __future__ import annotations

import cmath
import math

import pytest
import torch

from indextts.config import SpectrogramConfig
from indextts.errors import AudioError
from indextts.utils.mel import mel_spectrogram, slaney_filters
from tests.indextts.goldens import arrays, assert_close, needs_goldens

OFFICIAL = SpectrogramConfig(n_fft=1024, win_length=1024, hop_length=256, n_mels=80)


@needs_goldens
@pytest.mark.parametrize("name", ["voice_01", "emo_hate"])
def test_golden_mel(name: str) -> None:
    """Before the logarithm: a float32 FFT errs in every bin by a share of the loudest one.

    The logarithm magnifies that error a hundredfold where a frame is nearly silent, and it
    differs from one processor to the next.
    """
    golden = arrays("audio/features.safetensors")
    mel = mel_spectrogram(golden[f"{name}.wav22k"], OFFICIAL, 22050).exp()
    expected = golden[f"{name}.mel"].exp()
    loudest = expected.amax(dim=1, keepdim=True)  # [1, 1, frames]
    # Ten times the rounding of the stored logarithms; a wrong filter or floor costs 1e-5 and more.
    assert_close(mel / loudest, expected / loudest, atol=5e-6)


@pytest.mark.parametrize("samples", [385, 512, 1000, 2560])
def test_shape_is_one_frame_a_hop(samples: int) -> None:
    mel = mel_spectrogram(torch.zeros(3, samples), OFFICIAL, 22050)
    assert mel.shape == (3, 80, samples // 256)
    assert torch.all((mel >= math.log(1e-5)) & (mel < -5))


def test_too_short_to_mirror() -> None:
    with pytest.raises(AudioError, match="more than 384 samples"):
        mel_spectrogram(torch.zeros(1, 384), OFFICIAL, 22050)


def test_small_case_by_direct_sums() -> None:
    """Every step of audio.md 2 with plain loops, on other dimensions than the official ones."""
    spect = SpectrogramConfig(n_fft=32, win_length=32, hop_length=8, n_mels=4, fmin=50.0)
    wave = torch.randn(1, 64, generator=torch.Generator().manual_seed(5))
    samples = wave[0].tolist()
    mirrored = samples[12:0:-1] + samples + samples[-2:-14:-1]
    filters = slaney_filters(8000, 32, 4, 50.0, 4000.0)
    expected = torch.empty(1, 4, 8)
    for frame in range(8):
        magnitudes = []
        for bin_ in range(17):
            value = sum(
                mirrored[8 * frame + k]
                * (0.5 - 0.5 * math.cos(2 * math.pi * k / 32))
                * cmath.exp(-2j * math.pi * bin_ * k / 32)
                for k in range(32)
            )
            magnitudes.append(math.sqrt(abs(value) ** 2 + 1e-9))
        energies = filters @ torch.tensor(magnitudes)
        expected[0, :, frame] = energies.clamp(min=1e-5).log()
    assert_close(mel_spectrogram(wave, spect, 8000), expected, atol=1e-5)


def test_filters_have_unit_area_and_honour_the_upper_limit() -> None:
    filters = slaney_filters(22050, 1024, 80, 0.0, 11025.0).double()
    assert filters.shape == (80, 513)
    # The lowest triangles are but a few bins wide, so their sums are coarse.
    assert_close(filters[30:].sum(1) * 22050 / 1024, torch.ones(50).double(), atol=3e-2)
    limited = slaney_filters(
        22050,
        1024,
        80,
        0.0,
        SpectrogramConfig(1024, 1024, 256, 80, 0.0, "8000").max_frequency(22050),
    )
    assert torch.all(limited[:, math.ceil(8000 / (22050 / 1024)) :] == 0)
    assert torch.any(filters[:, math.ceil(8000 / (22050 / 1024)) :] > 0)


def test_cached_constants_serve_training_after_inference() -> None:
    spect = SpectrogramConfig(n_fft=64, win_length=48, hop_length=16, n_mels=5)
    with torch.inference_mode():
        mel_spectrogram(torch.ones(1, 100), spect, 16000)
    wave = torch.ones(1, 100, requires_grad=True)
    mel_spectrogram(wave, spect, 16000).sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()
