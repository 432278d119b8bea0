"""How far two tensors are apart."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Difference:
    """Relative to the root mean square of what was expected.

    Attributes:
        largest: largest absolute difference.
        mean: mean absolute difference.
    """

    largest: float
    mean: float

    def __str__(self) -> str:
        return f"largest {self.largest:.2g}, mean {self.mean:.2g}"


def difference(found: Tensor, expected: Tensor) -> Difference:
    """Compare float tensors of one shape, on any devices.

    Raises:
        ValueError: the shapes differ, or a value is not finite.
    """
    found, expected = found.detach().float().cpu(), expected.detach().float().cpu()
    if found.shape != expected.shape:
        raise ValueError(f"shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    if not found.isfinite().all():
        raise ValueError(f"{int((~found.isfinite()).sum())} of {found.numel()} are not finite")
    scale = max(float(expected.square().mean().sqrt()), 1e-30)
    apart = (found - expected).abs() / scale
    return Difference(float(apart.max()), float(apart.mean()))


def common_start(found: Tensor, expected: Tensor) -> int:
    """How many codes are equal before the first that differs."""
    length = min(len(found), len(expected))
    unequal = (found[:length].cpu() != expected[:length].cpu()).nonzero()
    return int(unequal[0]) if len(unequal) else length
