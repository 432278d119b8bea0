"""The numbers of the speech units (``training/data/units.py``), from which sizes follow."""

from __future__ import annotations

# Semantic frames a second.
CODE_RATE = 50.0
# Parts of a sound: beginning, middle, end.
THIRDS = 3
# Steps of melody: without voice, then from 8 semitones below the voice's usual pitch to 8 above.
# Half a step too high or low moves the sixth harmonic by one band of the mel.
STEP_SEMITONES = 1.0
REACH = 8
STEPS = 2 + 2 * REACH


def codebook_size(sounds: int) -> int:
    """Codes for a number of sounds."""
    return sounds * THIRDS * STEPS


def entry_width(sounds: int) -> int:
    """Dimensions of an entry of the codebook."""
    return sounds + THIRDS + STEPS
