"""What the GPT reads and says: text ids and codes, and which belong to which."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from training.data.alignment import is_aligned, symbol_places
from training.data.features import Item


@dataclass(frozen=True, eq=False)
class Line:
    """What is said, and how.

    Attributes:
        ids: int64 [L], text ids.
        codes: int64 [n].
        places: int64 [n], the index into `ids` that each code belongs to; None if not known.
    """

    ids: Tensor
    codes: Tensor
    places: Tensor | None


def line_of(item: Item, codes: Tensor) -> Line:
    """An utterance with its codes."""
    return Line(item.ids, codes, symbol_places(item, len(codes)) if is_aligned(item) else None)
