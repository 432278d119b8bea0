"""Emotion from eight strengths (gpt.md 6, pipeline.md 3)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from indextts.errors import ModelFileError
from indextts.utils.checkpoint import read_pickle, read_safetensors

# Strengths are sums of decimals: ten tenths may come to a little more than 1.
_ROUNDING = 1e-6


def scale_vector(vector: Sequence[float], alpha: float) -> tuple[float, ...]:
    """Multiply by `alpha`, clamped to 0...1, and cut after four decimals (gpt.md 6, step 2)."""
    alpha = min(max(alpha, 0.0), 1.0)
    if alpha == 1.0:
        return tuple(vector)
    return tuple(int(v * alpha * 10000) / 10000 for v in vector)


def too_strong(strengths: Sequence[float]) -> str | None:
    """A sentence for the caller whose strengths leave less than nothing of the voice's own emotion.

    Args:
        strengths: as they are used, after :func:`scale_vector`.
    """
    total = sum(strengths)
    if total <= 1.0 + _ROUNDING:
        return None
    return (
        f"the strengths in emo_vector, times emo_alpha, sum to {max(total, 1.001):.3f}: above 1 "
        "the voice's own emotion is subtracted, and the voice may sound distorted; lower them, or "
        "emo_alpha, to a sum of 0.8 or less"
    )


@dataclass(frozen=True, eq=False)
class EmotionMatrix:
    """Examples of each emotion.

    Attributes:
        styles: float32 [sum(groups), style], the voices they were taken from.
        vectors: float32 [sum(groups), D], their emotion vectors.
        groups: rows of each of the 8 emotions.
    """

    styles: Tensor
    vectors: Tensor
    groups: tuple[int, ...]

    def nearest(self, style: Tensor) -> list[int]:
        """Per emotion the row, within its group, whose voice is most like `style` [1, style]."""
        similarity = F.cosine_similarity(style.float(), self.styles, dim=1, eps=1e-8)
        return [int(group.argmax()) for group in similarity.split(list(self.groups))]

    def draw(self, generator: random.Random) -> list[int]:
        """Per emotion any row of its group."""
        return [generator.randint(0, size - 1) for size in self.groups]

    def combine(self, strengths: Sequence[float], rows: Sequence[int]) -> Tensor:
        """Sum of the chosen rows, weighted by the strengths: float32 [1, D]."""
        chosen = torch.stack(
            [
                group[row]
                for group, row in zip(self.vectors.split(list(self.groups)), rows, strict=True)
            ]
        )
        weights = torch.tensor(list(strengths), dtype=torch.float32, device=chosen.device)
        return (weights[:, None] * chosen).sum(0, keepdim=True)

    def mix(self, base: Tensor, strengths: Sequence[float], rows: Sequence[int]) -> Tensor:
        """The emotion vector to use instead of `base` [1, D]."""
        total = torch.tensor(list(strengths), dtype=torch.float32, device=base.device).sum()
        return self.combine(strengths, rows) + (1.0 - total) * base


def load_emotion_matrix(
    style_path: Path, vector_path: Path, groups: tuple[int, ...], device: torch.device
) -> EmotionMatrix:
    """Read ``feat1.pt`` and ``feat2.pt``.

    Raises:
        ModelFileError: a file is missing, unreadable or of another size.
    """
    styles, vectors = (_read_matrix(path) for path in (style_path, vector_path))
    for path, matrix in ((style_path, styles), (vector_path, vectors)):
        if matrix.dim() != 2 or len(matrix) != sum(groups):
            raise ModelFileError(
                path, f"has shape {tuple(matrix.shape)}, emo_num asks for {sum(groups)} rows."
            )
    return EmotionMatrix(styles.to(device), vectors.to(device), groups)


def _read_matrix(path: Path) -> Tensor:
    if path.suffix == ".safetensors":
        content: object = next(iter(read_safetensors(path).values()), None)
    else:
        content = read_pickle(path)
    if not isinstance(content, Tensor):
        raise ModelFileError(path, f"holds no matrix but a {type(content).__name__}.")
    return content.detach().float()
