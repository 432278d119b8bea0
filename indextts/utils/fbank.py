"""Kaldi-style filterbank features at 16 kHz, for two encoders (audio.md 3 and 4).

Both start from the same frames; the speaker encoder takes them centred, the speech encoder
normalised and stacked in pairs.  Everything is computed on the CPU in float64: it costs
milliseconds, and gives the same features whatever device the encoders run on.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from indextts.errors import AudioError

SAMPLE_RATE = 16000
FRAME_LENGTH = 400
FRAME_SHIFT = 160
FFT_LENGTH = 512
PRE_EMPHASIS = 0.97
LOW_HZ = 20.0
HIGH_HZ = 8000.0

KALDI_FLOOR = 1.1920928955078125e-07
SPEECH_FLOOR = 1.192092955078125e-07
SPEECH_SCALE = 32768.0
VARIANCE_FLOOR = 1e-7


def kaldi_fbank(wave: Tensor, bins: int = 80) -> Tensor:
    """Logarithmic filterbank energies; the signal stays in [-1, 1], nothing is dithered.

    Args:
        wave: [1, n] at 16 kHz.
        bins: number of filters.

    Returns:
        float32 [1 + (n - 400) // 160, bins] on the CPU.

    Raises:
        AudioError: shorter than one frame.
    """
    return _log_energies(wave, bins, KALDI_FLOOR).float()


def speech_features(wave: Tensor, bins: int = 80) -> tuple[Tensor, Tensor]:
    """SeamlessM4T-style features: normalised per filter over the clip, frames stacked in pairs.

    With an odd number of frames the last pair holds one real frame and zeros, and is masked.

    Args:
        wave: [1, n] at 16 kHz, full scale is 1.0.
        bins: number of filters.

    Returns:
        features float32 [1, T, 2 * bins] and mask bool [1, T] (True = heard), 50 frames a
        second, on the CPU.

    Raises:
        AudioError: fewer than two frames, which have no variance.
    """
    energies = _log_energies(wave.double() * SPEECH_SCALE, bins, SPEECH_FLOOR)
    frames = energies.shape[0]
    if frames < 2:
        raise AudioError(f"{wave.shape[-1]} samples at 16 kHz are too short for speech features")
    # Upstream rounds to float32 before it normalises.
    energies = energies.float().double()
    variance, mean = torch.var_mean(energies, dim=0, correction=1)
    normal = ((energies - mean) / (variance + VARIANCE_FLOOR).sqrt()).float()
    pairs = F.pad(normal, (0, 0, 0, frames % 2)).reshape(1, -1, 2 * bins)  # [1, T, 2 bins]
    mask = torch.ones(1, pairs.shape[1], dtype=torch.bool, device="cpu")
    if frames % 2:
        mask[:, -1] = False
    return pairs, mask


def _log_energies(wave: Tensor, bins: int, floor: float) -> Tensor:
    """float64 [frames, bins] of a signal [1, n]."""
    if wave.shape[-1] < FRAME_LENGTH:
        raise AudioError(
            f"{wave.shape[-1]} samples at 16 kHz are too short; one frame has {FRAME_LENGTH}"
        )
    frames = wave[0].double().cpu().unfold(0, FRAME_LENGTH, FRAME_SHIFT)  # [frames, 400]
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    frames = (frames - PRE_EMPHASIS * before) * _povey_window()
    power: Tensor = torch.fft.rfft(frames, n=FFT_LENGTH).abs().square()  # [frames, 257]
    return (power @ _filters(bins)).clamp(min=floor).log()


@functools.cache
def _povey_window() -> Tensor:
    """float64 [400]: a Hann window, symmetric, to the power 0.85."""
    steps = np.arange(FRAME_LENGTH) * (2.0 * math.pi / (FRAME_LENGTH - 1))
    # The caches outlive this call, which may run in inference mode.
    with torch.inference_mode(False):
        return torch.from_numpy((0.5 - 0.5 * np.cos(steps)) ** 0.85)


@functools.cache
def _filters(bins: int) -> Tensor:
    """float64 [257, bins]: triangles in the mel domain, peak 1, from 20 to 8000 Hz."""

    def mel(hertz: float) -> float:
        return 1127.0 * math.log1p(hertz / 700.0)

    corners = np.linspace(mel(LOW_HZ), mel(HIGH_HZ), bins + 2)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    step = SAMPLE_RATE / FFT_LENGTH
    places = np.array([mel(index * step) for index in range(FFT_LENGTH // 2 + 1)])[:, None]
    rising = (places - left) / (centre - left)
    falling = (right - places) / (right - centre)
    with torch.inference_mode(False):
        return torch.from_numpy(np.maximum(0.0, np.minimum(rising, falling)))
