"""What a reference clip may be: one set of bounds for the engine and everything that feeds it."""

from __future__ import annotations

# Of a clip the first 15 s are heard (audio.md 1).
USED_SECONDS = 15.0
# soxr's filters are far shorter than this; with it, cutting before resampling gives bit for bit
# what cutting after it gives (checked by the tests).
MARGIN_SECONDS = 1.0
# What lies behind need not even be decoded: a few megabytes of FLAC can hold days of silence.
DECODED_SECONDS = USED_SECONDS + MARGIN_SECONDS

MIN_SECONDS = 0.1
MIN_RATE = 4000
MAX_RATE = 384000
# Three steps of 16-bit audio: dither and nothing else.
SILENCE_PEAK = 1e-4
