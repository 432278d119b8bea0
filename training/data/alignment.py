"""Which symbol is spoken in which frame, for speech whose phonemes have known ends."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.data.corpus import padded
from training.data.features import Item
from training.unit_space import CODE_RATE

# What a frame behind the end of a row is labelled with; cross-entropy passes over it.
IGNORED = -100


def is_aligned(item: Item) -> bool:
    """Whether it is known when each symbol ends."""
    return len(item.ends) == len(item.ids)


def frame_middles(frames: int) -> Tensor:
    """Seconds, float32 [frames]."""
    return (torch.arange(frames) + 0.5) / CODE_RATE


def symbol_places(item: Item, frames: int) -> Tensor:
    """Index into ``item.ids`` of the symbol that each semantic frame belongs to, int64 [frames].

    What comes after the end of the last symbol belongs to it.
    """
    places = torch.searchsorted(item.ends, frame_middles(frames), right=True)
    return places.clamp(max=len(item.ends) - 1)


def frame_labels(items: Sequence[Item], device: torch.device) -> Tensor | None:
    """Symbol ids of all semantic frames, int64 [B, T]; None where an item has no known ends."""
    if not all(map(is_aligned, items)):
        return None
    rows = [item.ids[symbol_places(item, len(item.speech))] for item in items]
    return padded(rows, device, IGNORED)
