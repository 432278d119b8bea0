"""Stretch semantic features to mel frames (s2mel.md 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from indextts.config import LengthRegulatorConfig


class LengthRegulator(nn.Module):
    """Projection, nearest resize in time, then convolutions that smooth the steps.

    Attribute names are the keys ``length_regulator.*`` of the checkpoint.  Its ``embedding``
    and ``mask_token`` serve discrete input only and are not built.
    """

    def __init__(self, config: LengthRegulatorConfig) -> None:
        super().__init__()
        channels = config.channels
        self.content_in_proj = nn.Linear(config.in_channels, channels)
        layers: list[nn.Module] = []
        for _ in config.sampling_ratios:
            layers += [
                nn.Conv1d(channels, channels, 3, padding=1),
                nn.GroupNorm(1, channels),
                nn.Mish(),
            ]
        self.model = nn.Sequential(*layers, nn.Conv1d(channels, channels, 1))

    def rows(self, features: Sequence[Tensor], frames: Sequence[int]) -> list[Tensor]:
        """Resize sequences of different lengths, each as if it were alone.

        They run one by one: this part is a fraction of a percent of the whole stage, and masked
        statistics would have to be kept equal to the library's own.

        Args:
            features: float32 [Tin_i, in_channels] each, Tin_i at least 1.
            frames: wanted frames of each, at least 1.

        Returns:
            float32 [frames_i, channels] each.
        """
        return [
            self.smooth(self.resize(row[None], count))[0].T
            for row, count in zip(features, frames, strict=True)
        ]

    def resize(self, x: Tensor, frames: int) -> Tensor:
        """Project and repeat or drop frames: [B, Tin, in_channels] -> [B, C, frames].

        The library's own nearest rule, with its float32 rounding, is part of the model.
        """
        projected: Tensor = self.content_in_proj(x)
        return F.interpolate(projected.transpose(1, 2), size=frames, mode="nearest")

    def smooth(self, y: Tensor) -> Tensor:
        """The convolutions: [B, C, T] -> [B, C, T]."""
        result: Tensor = self.model(y)
        return result
