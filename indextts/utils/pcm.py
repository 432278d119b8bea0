"""Float samples to 16-bit integers; one rounding for the command line and for the service."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indextts.errors import NonFiniteAudioError

FULL_SCALE = np.float32(32767.0)


def pcm16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples of 16 bits, halves rounded to even (pipeline.md 4).

    Args:
        waveform: float32 [n], full scale is 1.0; what lies beyond is clipped.

    Returns:
        int16 [n], from -32767 to 32767.

    Raises:
        NonFiniteAudioError: the waveform holds NaN or infinity.
        ValueError: it has more than one axis.
    """
    if waveform.ndim != 1:
        raise ValueError(f"a mono waveform has one axis, got shape {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise NonFiniteAudioError("the waveform holds NaN or infinite samples")
    scaled = np.clip(waveform * FULL_SCALE, -FULL_SCALE, FULL_SCALE)
    return np.rint(scaled).astype(np.int16)
