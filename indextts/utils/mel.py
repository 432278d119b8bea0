"""The log-mel spectrogram of the acoustic model and the vocoder (audio.md 2)."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from indextts.config import SpectrogramConfig
from indextts.errors import AudioError

MAGNITUDE_FLOOR = 1e-9
LOG_FLOOR = 1e-5

# Slaney's auditory toolbox: linear below 1 kHz (200/3 Hz a mel), logarithmic above (27 mels for
# each factor of 6.4).
LINEAR_HZ_PER_MEL = 200.0 / 3.0
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / LINEAR_HZ_PER_MEL
LOG_STEP = math.log(6.4) / 27.0


def mel_spectrogram(wave: Tensor, spect: SpectrogramConfig, sample_rate: int) -> Tensor:
    """Natural logarithm of the mel-filtered magnitudes.

    Args:
        wave: float32 [B, n] at `sample_rate`.
        spect: ``s2mel.preprocess_params.spect_params``.
        sample_rate: in Hz.

    Returns:
        float32 [B, n_mels, n // hop_length], on the same device.

    Raises:
        AudioError: the signal is too short to be mirrored at its ends.
    """
    pad = (spect.n_fft - spect.hop_length) // 2
    if wave.shape[-1] <= pad:
        raise AudioError(f"a mel spectrogram needs more than {pad} samples, got {wave.shape[-1]}")
    padded = F.pad(wave[:, None], (pad, pad), mode="reflect")[:, 0]
    spectrum = torch.stft(
        padded,
        spect.n_fft,
        spect.hop_length,
        spect.win_length,
        window=_hann(spect.win_length).to(wave.device),
        center=False,
        onesided=True,
        return_complex=True,
    )  # [B, bins, frames]
    power = torch.view_as_real(spectrum).square().sum(-1)
    magnitude = (power + MAGNITUDE_FLOOR).sqrt()
    filters = slaney_filters(
        sample_rate, spect.n_fft, spect.n_mels, spect.fmin, spect.max_frequency(sample_rate)
    )
    return (filters.to(wave.device) @ magnitude).clamp(min=LOG_FLOOR).log()


@functools.cache
def slaney_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> Tensor:
    """Triangular filters on Slaney's mel scale, each of unit area over frequency.

    Computed in float64 once and shared by all callers, who must not change it.

    Returns:
        float32 [n_mels, n_fft // 2 + 1] on the CPU.
    """
    corners = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (right - left))
    # The cache outlives this call, which may run in inference mode.
    with torch.inference_mode(False):
        return torch.from_numpy(weights.astype(np.float32))


@functools.cache
def _hann(length: int) -> Tensor:
    with torch.inference_mode(False):
        return torch.hann_window(length, periodic=True, dtype=torch.float32, device="cpu")


def _hz_to_mel(hertz: float) -> float:
    if hertz < BREAK_HZ:
        return hertz / LINEAR_HZ_PER_MEL
    return BREAK_MEL + math.log(hertz / BREAK_HZ) / LOG_STEP


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(mels - BREAK_MEL, 0.0)
    return np.where(mels < BREAK_MEL, mels * LINEAR_HZ_PER_MEL, BREAK_HZ * np.exp(above * LOG_STEP))
