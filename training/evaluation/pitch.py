"""How high a voice is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Where a speaking voice's pitch is looked for, in Hz, and over how long a frame.
LOWEST, HIGHEST, FRAME = 60.0, 400.0, 0.04
VOICED = 0.5
SILENT_POWER = 1e-5


def median_pitch(wave: NDArray[np.float32], rate: int) -> float:
    """Median over the voiced frames in Hz, by autocorrelation; 0 where nothing is voiced."""
    size = int(FRAME * rate)
    found = []
    for start in range(0, len(wave) - size, size // 2):
        frame = wave[start : start + size].astype(np.float64)
        frame = frame - frame.mean()
        energy = float(frame @ frame)
        if energy < SILENT_POWER * size:
            continue
        spectrum = np.fft.rfft(frame, 2 * size)
        lags = np.fft.irfft(np.abs(spectrum) ** 2)[:size] / energy
        # Fewer products enter at longer lags.
        lags = lags * size / (size - np.arange(size))
        first, last = int(rate / HIGHEST), int(rate / LOWEST)
        window = lags[first:last]
        # Multiples of the period fit as well: the shortest peak that is about the highest.
        peak = (window[1:-1] >= window[:-2]) & (window[1:-1] >= window[2:])
        good = np.flatnonzero(peak & (window[1:-1] > max(VOICED, 0.9 * window.max())))
        if len(good):
            found.append(rate / (first + 1 + int(good[0])))
    return float(np.median(found)) if found else 0.0
