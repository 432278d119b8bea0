"""The random numbers of a decode: each sequence has its own, whatever runs beside it."""

from __future__ import annotations

import torch
from torch import Tensor

# Steps that an accelerator draws for at once: one kernel in place of as many.
_ACCELERATOR_BLOCK = 8


class ExponentialNoise:
    """Exponential(1) numbers of one sequence, step by step.

    Args:
        generator: on `device`.
        width: numbers a step.
        device: where to draw.
    """

    def __init__(self, generator: torch.Generator, width: int, device: torch.device) -> None:
        self._generator, self._device = generator, device
        # On a CPU a larger draw is not the same numbers as several small ones, and the goldens
        # of seeded sampling are drawn step by step.
        self._shape = (1 if device.type == "cpu" else _ACCELERATOR_BLOCK, width)
        self._values: Tensor | None = None
        self._at = 0

    def draw(self) -> Tensor:
        """Numbers of the next step, float32 [1, width]."""
        at = self._at % self._shape[0]
        self._at += 1
        if self._values is None or at == 0:
            self._values = torch.empty(self._shape, device=self._device)
            self._values.exponential_(generator=self._generator)
        return self._values[at : at + 1]
