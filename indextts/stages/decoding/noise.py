"""The random numbers of a decode: each sequence has its own, whatever runs beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Steps that an accelerator draws for at once: one kernel in place of as many.
_ACCELERATOR_BLOCK = 8


class ExponentialNoise:
    """Exponential(1) numbers, step by step.

    Args:
        generators: one a sequence, on `device`.
        width: numbers a step and sequence.
        device: where to draw.
    """

    def __init__(
        self, generators: Sequence[torch.Generator], width: int, device: torch.device
    ) -> None:
        self._generators, self._device = generators, device
        # On a CPU a larger draw is not the same numbers as several small ones, and the goldens
        # of seeded sampling are drawn step by step.
        self._block = 1 if device.type == "cpu" else _ACCELERATOR_BLOCK
        self._shape = (len(generators), self._block, width)
        self._values: Tensor | None = None

    def draw(self, position: int) -> Tensor:
        """Numbers of a step, float32 [S, width]; to be asked for 0, 1, 2, ... in turn."""
        at = position % self._block
        if self._values is None or at == 0:
            self._values = torch.empty(self._shape, device=self._device)
            for row, generator in zip(self._values, self._generators, strict=True):
                row.exponential_(generator=generator)
        return self._values[:, at]
