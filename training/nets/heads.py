"""Small networks that tell a trained part what to keep; none of them is exported."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Never drawn: position 0 of the vocabulary is the start mark.
BLANK = 0


class PhonemeHead(nn.Module):
    """Frames to phonemes: frame by frame where it is known which symbol each frame belongs to,
    else by connectionist temporal classification.
    """

    def __init__(self, width: int, symbols: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, symbols)

    def loss(self, frames: Tensor, lengths: Tensor, targets: list[Tensor]) -> Tensor:
        """frames [B, T, D] with `lengths`, phoneme ids of each row -> mean loss a phoneme."""
        scores = self.linear(frames).float().log_softmax(-1).transpose(0, 1)  # [T, B, S]
        counts = torch.tensor([len(row) for row in targets], device=frames.device)
        return F.ctc_loss(
            scores, torch.cat(targets).to(frames.device), lengths, counts,
            blank=BLANK, reduction="mean", zero_infinity=True,
        )  # fmt: skip

    def frame_loss(self, frames: Tensor, labels: Tensor) -> Tensor:
        """frames [B, T, D], symbol ids int64 [B, T] (-100 where none) -> mean loss a frame."""
        return F.cross_entropy(self.linear(frames).float().transpose(1, 2), labels)

    @torch.no_grad()
    def frame_errors(self, frames: Tensor, labels: Tensor) -> tuple[int, int]:
        """Frames that are read as another symbol, and the number of frames."""
        wrong = (self.linear(frames).argmax(-1) != labels) & (labels >= 0)
        return int(wrong.sum()), int((labels >= 0).sum())

    @torch.no_grad()
    def errors(self, frames: Tensor, lengths: Tensor, targets: list[Tensor]) -> tuple[int, int]:
        """Edit distance of the greedy reading, and the number of phonemes."""
        wrong = total = 0
        for row, length, target in zip(
            self.linear(frames).argmax(-1).cpu(), lengths, targets, strict=True
        ):
            read = [int(s) for s in row[: int(length)].unique_consecutive() if s != BLANK]
            wrong += edit_distance(read, target.tolist())
            total += len(target)
        return wrong, total


def edit_distance(got: list[int], want: list[int]) -> int:
    """Levenshtein's."""
    row = list(range(len(want) + 1))
    for i, a in enumerate(got, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(want, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


class VoiceClassifier(nn.Module):
    """Cosine scores with an additive margin (Wang et al. 2018)."""

    def __init__(self, width: int, voices: int, scale: float = 20.0, margin: float = 0.2) -> None:
        super().__init__()
        self.scale, self.margin = scale, margin
        self.centres = nn.Parameter(torch.randn(voices, width))

    def forward(self, styles: Tensor) -> Tensor:
        """[B, D] -> cosines [B, voices]."""
        return F.normalize(styles, dim=-1) @ F.normalize(self.centres, dim=-1).T

    def loss(self, styles: Tensor, voices: Tensor) -> Tensor:
        cosines = self(styles)
        wanted = F.one_hot(voices, cosines.shape[1]) * self.margin
        return F.cross_entropy(self.scale * (cosines - wanted), voices)
