"""What the codecs take: the sample rates they know, and samples that can be heard."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

# In Hz, ascending. A format that is not here holds any rate.
CODEC_RATES: Mapping[str, tuple[int, ...]] = {
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    # Opus also knows 8, 12 and 16 kHz, which cost quality and save nothing.
    "opus": (24000, 48000),
    "aac": (
        *(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        *(64000, 88200, 96000),
    ),
}


def codec_rate(format: str, rate: int) -> int:
    """The lowest rate of the format's codec that loses nothing of `rate`, or its highest one."""
    rates = CODEC_RATES.get(format)
    if rates is None:
        return rate
    return min((r for r in rates if r >= rate), default=rates[-1])


def check_waveform(waveform: NDArray[np.float32]) -> None:
    """Raise ValueError unless these are finite float32 samples of shape [n]."""
    if waveform.ndim != 1 or waveform.dtype != np.float32 or not np.isfinite(waveform).all():
        raise ValueError("the waveform must be finite float32 of shape [n]")
