"""Float samples to 16-bit integers, and the WAV header for a pipe; the same for the command line
and the service.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from indextts.errors import NonFiniteAudioError

FULL_SCALE = np.float32(32767.0)
_UNKNOWN_SIZE = 0xFFFFFFFF


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


def wav_header(rate: int) -> bytes:
    """The 44 bytes before mono 16-bit samples whose number is not known yet.

    Both sizes are 0xFFFFFFFF, which readers take for "until the end of the stream".
    """
    pcm, channels, width = 1, 1, 2
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_SIZE, b"WAVE"),
        *(b"fmt ", 16, pcm, channels, rate, rate * width * channels, width * channels, 8 * width),
        *(b"data", _UNKNOWN_SIZE),
    )
