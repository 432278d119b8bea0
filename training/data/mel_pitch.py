"""The pitch of the voice at the frames of a mel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.unit_space import CODE_RATE


def mel_pitch(pitch: tuple[int, ...], frames: int, frame_seconds: float) -> Tensor | None:
    """Pitch and voicing in the middle of each mel frame.

    Args:
        pitch: Hz in the middle of each semantic frame, 0 without voice.
        frames: how many mel frames there are.
        frame_seconds: length of one.

    Returns:
        float32 [2, frames]: Hz, without a voice on a line between the voiced frames around, and 1
        or 0 for voice or none.  None where no frame has a pitch.
    """
    known = np.asarray(pitch, dtype=np.float64)
    voiced = np.flatnonzero(known)
    if not len(voiced):
        return None
    # Places in semantic frames, whose middles lie at whole numbers.
    places = (np.arange(frames) + 0.5) * frame_seconds * CODE_RATE - 0.5
    octaves = np.interp(places, voiced, np.log2(known[voiced]))
    nearest = np.clip(places.round().astype(int), 0, len(known) - 1)
    found = np.stack((np.exp2(octaves), known[nearest] > 0))
    return torch.from_numpy(found).float()
