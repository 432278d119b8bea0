"""Which symbol is spoken in which frame, for speech whose phonemes have known ends."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.config import CODE_RATE
from training.data.corpus import padded
from training.data.features import Item

# What a frame behind the end of a row is labelled with; cross-entropy passes over it.
IGNORED = -100


def symbol_places(item: Item, frames: int) -> Tensor:
    """Index into ``item.ids`` of the symbol that each semantic frame belongs to, int64 [frames].

    What comes after the end of the last symbol belongs to it.
    """
    middles = (torch.arange(frames) + 0.5) / CODE_RATE
    places = torch.searchsorted(item.ends, middles, right=True)
    return places.clamp(max=len(item.ends) - 1)


def frame_labels(items: Sequence[Item], device: torch.device) -> Tensor | None:
    """Symbol ids of all semantic frames, int64 [B, T]; None where an item has no known ends."""
    if any(len(item.ends) != len(item.ids) for item in items):
        return None
    rows = [item.ids[symbol_places(item, len(item.speech))] for item in items]
    return padded(rows, device, IGNORED)
