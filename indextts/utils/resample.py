"""Sample rates: from a decoded clip to the signals that the encoders hear (audio.md 1).

The speaker clip goes file -> 22.05 kHz (soxr) -> 16 kHz (windowed sinc); the emotion clip goes
file -> 16 kHz (soxr) at once.  The same file therefore gives slightly different 16 kHz signals
in the two roles, as in the reference.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import torch
import torchaudio.transforms
from numpy.typing import NDArray
from torch import Tensor

from indextts.clip_bounds import (
    DECODED_SECONDS,
    MAX_RATE,
    MIN_RATE,
    MIN_SECONDS,
    SILENCE_PEAK,
    USED_SECONDS,
)
from indextts.errors import AudioError, ConfigError
from indextts.request import ReferenceAudio
from indextts.utils.packages import require

log = logging.getLogger(__name__)

SPEAKER_RATE = 22050
SPEECH_RATE = 16000
# Far above any float recording with headroom; beyond it, the integers were not scaled to 1.0.
MAX_PEAK = 100.0


def check_rate(sample_rate: int) -> None:
    """Raises AudioError where no speech is to be expected at this sample rate (in Hz)."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise AudioError(
            f"the clip's sample rate is {sample_rate} Hz; {MIN_RATE} to {MAX_RATE} Hz are accepted"
        )


def speaker_signal(clip: ReferenceAudio, sample_rate: int = SPEAKER_RATE) -> Tensor:
    """The first 15 s of the voice, for the mel spectrogram and for :func:`to_16k`.

    Returns:
        float32 [1, n] at `sample_rate` (22.05 kHz).

    Raises:
        AudioError: too short (below 0.1 s), silent, or far out of scale.
    """
    return _signal(clip, sample_rate)


def emotion_signal(clip: ReferenceAudio) -> Tensor:
    """The first 15 s of the emotion clip: float32 [1, m] at 16 kHz; raises AudioError as above."""
    return _signal(clip, SPEECH_RATE)


def to_16k(wave: Tensor, sample_rate: int = SPEAKER_RATE) -> Tensor:
    """Windowed-sinc resampling of a speaker signal to 16 kHz (audio.md 1).

    Args:
        wave: float32 [1, n] at `sample_rate`.

    Returns:
        float32 [1, ceil(16000 n / sample_rate)], on the same device.
    """
    if sample_rate == SPEECH_RATE:
        return wave
    return _resampler(sample_rate).to(wave.device)(wave)


def _resampler(sample_rate: int) -> torchaudio.transforms.Resample:
    # The transform computes its filter in float64, the function of the same name in float32:
    # the reference uses the former, and the goldens tell them apart.
    return torchaudio.transforms.Resample(sample_rate, SPEECH_RATE)


def _signal(clip: ReferenceAudio, rate: int) -> Tensor:
    check_rate(clip.sample_rate)
    if clip.seconds < MIN_SECONDS:
        # Rounded down, so that a clip that lacks one sample does not seem to last long enough.
        lasts = math.floor(clip.seconds * 1000) / 1000
        raise AudioError(
            f"the clip lasts {lasts:.3f} s; at least {MIN_SECONDS} s are needed, "
            "and 5 to 15 s serve best"
        )
    kept = math.ceil(DECODED_SECONDS * clip.sample_rate)
    samples = clip.mono()[:kept]
    samples = _resample(samples, clip.sample_rate, rate)[: int(USED_SECONDS * rate)]
    peak = float(np.abs(samples).max())
    # The negation also catches NaN, which the mean of huge channels can bring forth.
    if not peak <= MAX_PEAK:
        raise AudioError(f"the clip's samples reach {peak:g}; scale them so that full scale is 1.0")
    if peak < SILENCE_PEAK:
        raise AudioError(
            f"the clip is silent: in its first {USED_SECONDS:g} s no sample exceeds {SILENCE_PEAK}"
        )
    return torch.from_numpy(np.ascontiguousarray(samples))[None]


def _resample(samples: NDArray[np.float32], old: int, new: int) -> NDArray[np.float32]:
    """soxr HQ, with the length that the reference's loader forces: ceil(n * new / old).

    Raises:
        ConfigError: soxr is not installed, and the ratio is too odd for our own filter.
    """
    if old == new:
        return samples.copy()
    length = math.ceil(len(samples) * (float(new) / old))
    samples = np.ascontiguousarray(samples)
    try:
        soxr = require("soxr", "soxr>=0.5,<2", f"resampling a clip from {old} to {new} Hz")
    except ConfigError:
        if not _has_few_phases(old, new):
            raise
        log.warning("soxr is not installed; torchaudio resamples the clip, which is not bit-equal")
        result = _without_soxr(samples, old, new)
    else:
        result = soxr.resample(samples, old, new, "HQ")
    if len(result) < length:
        result = np.pad(result, (0, length - len(result)))
    return result[:length]


# A windowed sinc keeps a filter for each phase of the ratio; unusual rates have thousands.
_MOST_PHASES = 1000


def _has_few_phases(old: int, new: int) -> bool:
    return max(old, new) // math.gcd(old, new) <= _MOST_PHASES


def _without_soxr(samples: NDArray[np.float32], old: int, new: int) -> NDArray[np.float32]:
    """A Kaiser-windowed sinc of about soxr HQ's band and rejection."""
    transform = torchaudio.transforms.Resample(
        old,
        new,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        beta=14.769656459379492,
    )
    result: NDArray[np.float32] = transform(torch.from_numpy(samples)).numpy()
    return result
