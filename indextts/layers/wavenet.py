"""Gated convolution stack behind the transformer of the estimator (s2mel.md 4.6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.config import WaveNetConfig


@dataclass(frozen=True)
class ReflectPad:
    """Reflection padding of a convolution with an odd kernel, for sequences of any length.

    Attributes:
        left: frames before the first one.
        right: frames behind the last one.
    """

    left: int
    right: int

    @classmethod
    def for_kernel(cls, kernel_size: int, dilation: int) -> ReflectPad:
        total = (kernel_size - 1) * dilation
        return cls(left=total - total // 2, right=total // 2)

    @property
    def shortest(self) -> int:
        """A sequence below this length is first filled up with zeros on the right."""
        return max(self.left, self.right) + 1

    def whole(self, y: Tensor) -> Tensor:
        """Pad at the ends of the tensor: [B, W, T] -> [B, W, left + T + right]."""
        length = y.shape[-1]
        if length < self.shortest:
            y = F.pad(y, (0, self.shortest - length))
        padded = F.pad(y, (self.left, self.right), mode="reflect")
        return padded[..., : self.left + length + self.right]

    def edges(self, lengths: Tensor) -> RowEdges:
        """Where the frames behind the end of rows of `lengths` (int64 [B]) come from."""
        filled = lengths.clamp(min=self.shortest)[:, None]
        wanted = lengths[:, None] + torch.arange(self.right, device=lengths.device)  # [B, right]
        source = torch.where(wanted < filled, wanted, 2 * (filled - 1) - wanted)
        return RowEdges(self, source + self.left, wanted + self.left)


@dataclass(frozen=True, eq=False)
class RowEdges:
    """The same padding taken at each row's own end.

    Attributes:
        pad: its widths.
        source: int64 [B, right], frames of the padded tensor to read.
        target: int64 [B, right], frames of the padded tensor to write.
    """

    pad: ReflectPad
    source: Tensor
    target: Tensor

    def apply(self, y: Tensor) -> Tensor:
        """Pad [B, W, T], which is zero behind each row's end, to [B, W, left + T + right]."""
        left, right = self.pad.left, self.pad.right
        length = y.shape[-1]
        padded = F.pad(y, (left, max(0, self.pad.shortest - length) + right))
        if left:
            padded[..., :left] = padded[..., left + 1 : 2 * left + 1].flip(-1)
        shape = (-1, y.shape[1], -1)
        mirrored = padded.gather(2, self.source[:, None].expand(shape))
        padded.scatter_(2, self.target[:, None].expand(shape), mirrored)
        return padded[..., : left + length + right]


@dataclass(frozen=True, eq=False)
class WaveNetFrames:
    """Which frames are real; the same for every step of a sampling.

    Attributes:
        mask: bool [B or 1, 1, T], or None where all frames are real.
        edges: one entry a layer, where rows are padded at their own ends; else None.
    """

    mask: Tensor | None = None
    edges: tuple[RowEdges, ...] | None = None


class WaveNet(nn.Module):
    """Dilated gated convolutions, conditioned on the time embedding.

    Attribute names are the keys ``cfm.estimator.wavenet.*`` with the weight norm folded and the
    doubled ``conv.conv`` taken out.

    Attributes:
        reach: frames to the left that a frame depends on.
    """

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        width, layers, kernel = config.hidden_dim, config.num_layers, config.kernel_size
        dilations = [config.dilation_rate**index for index in range(layers)]
        self.pads = tuple(ReflectPad.for_kernel(kernel, dilation) for dilation in dilations)
        self.reach = sum(pad.left for pad in self.pads)
        self.cond_layer = nn.Conv1d(width, 2 * width * layers, 1)
        self.in_layers = nn.ModuleList(
            nn.Conv1d(width, 2 * width, kernel, dilation=dilation) for dilation in dilations
        )
        self.res_skip_layers = nn.ModuleList(
            nn.Conv1d(width, width if index == layers - 1 else 2 * width, 1)
            for index in range(layers)
        )

    def frames(self, lengths: Tensor, total: int, *, rows_alone: bool = False) -> WaveNetFrames:
        """Prepare :meth:`forward` for rows of these lengths.

        Args:
            lengths: int64 [B], or [1] for all rows.
            total: frames of the tensor.
            rows_alone: pad each row at its own end, which makes its result the one that it has
                alone.  Without it, padding is taken at the end of the tensor, as the reference
                does.
        """
        if bool((lengths >= total).all()):
            return WaveNetFrames()
        mask = (torch.arange(total, device=lengths.device) < lengths[:, None])[:, None]
        if not rows_alone:
            return WaveNetFrames(mask)
        return WaveNetFrames(mask, tuple(pad.edges(lengths) for pad in self.pads))

    def forward(self, y: Tensor, g: Tensor, frames: WaveNetFrames) -> Tensor:
        """Run the stack.

        Args:
            y: float32 [B, W, T].
            g: float32 [B or 1, W], the condition of all frames.
            frames: from :meth:`frames`.

        Returns:
            float32 [B, W, T], zero on the frames that are not real.
        """
        width = y.shape[1]
        conditions = self.cond_layer(g[..., None]).split(2 * width, dim=1)  # l x [B, 2W, 1]
        if frames.edges is not None:
            y = _masked(y, frames.mask)
        out = torch.zeros_like(y)
        last = len(self.in_layers) - 1
        for index in range(last + 1):
            if frames.edges is not None:
                padded = frames.edges[index].apply(y)
            else:
                padded = self.pads[index].whole(y)
            a: Tensor = self.in_layers[index](padded) + conditions[index]  # [B, 2W, T]
            tanh, sigmoid = a.chunk(2, dim=1)
            rs: Tensor = self.res_skip_layers[index](tanh.tanh() * sigmoid.sigmoid())
            if index == last:
                out = out + rs
            else:
                residual, skip = rs.chunk(2, dim=1)
                y = _masked(y + residual, frames.mask)
                out = out + skip
        return _masked(out, frames.mask)


def _masked(y: Tensor, mask: Tensor | None) -> Tensor:
    return y if mask is None else y * mask
