"""CAMPPlus, the speaker encoder: a dense time-delay network with context-aware masks
(Wang et al. 2023; codec_and_speaker.md 2.2).

Attribute names are the keys of ``campplus_cn_common.bin``.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.config import StyleEncoderConfig

NORM_EPS = 1e-5
TDNN_KERNEL = 5
TDNN_STRIDE = 2
MASK_REDUCTION = 2


class FrozenBatchNorm(nn.Module):
    """Batch norm by stored statistics, over axis 1 of a tensor with any number of axes.

    Unlike torch's, it asks the checkpoint for no ``num_batches_tracked``.
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__()
        self.register_parameter("weight", nn.Parameter(torch.empty(channels)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.empty(channels)) if affine else None)
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=NORM_EPS
        )


class NormReLU(nn.Module):
    """Batch norm, then ReLU; `batchnorm` is the key."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batchnorm = FrozenBatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.batchnorm(x))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions over (frequency, time); `stride` thins the frequencies."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        step = (stride, 1)
        self.conv1 = nn.Conv2d(channels, channels, 3, step, 1, bias=False)
        self.bn1 = FrozenBatchNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = FrozenBatchNorm(channels)
        self.shortcut = nn.Sequential()  # an empty one passes its input on
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, step, bias=False), FrozenBatchNorm(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Head(nn.Module):
    """2-d front: features [B, F, m] -> [B, channels * F / 8, m]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False)
        self.bn1 = FrozenBatchNorm(channels)
        self.layer1 = nn.Sequential(ResidualBlock(channels, 2), ResidualBlock(channels, 1))
        self.layer2 = nn.Sequential(ResidualBlock(channels, 2), ResidualBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False)
        self.bn2 = FrozenBatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x[:, None])))  # [B, C, F, m]
        x = self.layer2(self.layer1(x))  # [B, C, F / 4, m]
        x = F.relu(self.bn2(self.conv2(x)))  # [B, C, F / 8, m]
        return x.flatten(1, 2)


class ContextMask(nn.Module):
    """A local convolution, each channel and frame of it weighted by the context around."""

    def __init__(self, config: StyleEncoderConfig, width: int, dilation: int) -> None:
        super().__init__()
        kernel, out = config.kernel_size, config.growth_rate
        self.segment = config.segment_frames
        self.linear_local = nn.Conv1d(
            width, out, kernel, padding=(kernel - 1) // 2 * dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(width, width // MASK_REDUCTION, 1)
        self.linear2 = nn.Conv1d(width // MASK_REDUCTION, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, m] -> [B, growth, m]."""
        context = x.mean(-1, keepdim=True) + self._segment_means(x)
        mask = torch.sigmoid(self.linear2(F.relu(self.linear1(context))))
        out: Tensor = self.linear_local(x) * mask
        return out

    def _segment_means(self, x: Tensor) -> Tensor:
        """Each frame's segment, averaged; a shorter last one over the frames that it has."""
        means = F.avg_pool1d(x, self.segment, self.segment, ceil_mode=True)
        return means.repeat_interleave(self.segment, dim=-1)[..., : x.shape[-1]]


class DenseLayer(nn.Module):
    """A bottleneck and a context mask: [B, channels, m] -> [B, growth, m]."""

    def __init__(self, config: StyleEncoderConfig, channels: int, dilation: int) -> None:
        super().__init__()
        width = config.bn_size * config.growth_rate
        self.nonlinear1 = NormReLU(channels)
        self.linear1 = nn.Conv1d(channels, width, 1, bias=False)
        self.nonlinear2 = NormReLU(width)
        self.cam_layer = ContextMask(config, width, dilation)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return out


class DenseBlock(nn.Module):
    """Layers ``tdnnd1``, ``tdnnd2``, ..., each of which sees the outputs of all before it."""

    def __init__(
        self, config: StyleEncoderConfig, channels: int, layers: int, dilation: int
    ) -> None:
        super().__init__()
        for index in range(layers):
            seen = channels + index * config.growth_rate
            self.add_module(f"tdnnd{index + 1}", DenseLayer(config, seen, dilation))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class TimeDelay(nn.Module):
    """A strided convolution over time, then norm and ReLU."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(
            channels, out, TDNN_KERNEL, TDNN_STRIDE, TDNN_KERNEL // 2, bias=False
        )
        self.nonlinear = NormReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.nonlinear(self.linear(x))
        return out


class Transit(nn.Module):
    """Halves the channels between two dense blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nonlinear = NormReLU(channels)
        self.linear = nn.Conv1d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.nonlinear(x))
        return out


class StatisticsPool(nn.Module):
    """[B, C, m] -> [B, 2 C]: mean and unbiased standard deviation over time."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(-1), x.std(-1, correction=1)], dim=1)


class Embedding(nn.Module):
    """[B, C] -> [B, dim], batch-normed without a learned scale."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(channels, dim, 1, bias=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=FrozenBatchNorm(dim, affine=False)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.nonlinear(self.linear(x[..., None])[..., 0])
        return out


class CAMPPlus(nn.Module):
    """Filterbank features to one vector that stands for the voice."""

    def __init__(self, config: StyleEncoderConfig) -> None:
        super().__init__()
        self.head = Head(config.head_channels)
        channels = config.init_channels
        self.xvector = nn.Sequential()
        self.xvector.add_module(
            "tdnn", TimeDelay(config.head_channels * (config.feat_dim // 8), channels)
        )
        shapes = zip(config.block_layers, config.block_dilations, strict=True)
        for number, (layers, dilation) in enumerate(shapes, start=1):
            block = DenseBlock(config, channels, layers, dilation)
            channels += layers * config.growth_rate
            self.xvector.add_module(f"block{number}", block)
            self.xvector.add_module(f"transit{number}", Transit(channels))
            channels //= 2
        self.xvector.add_module("out_nonlinear", NormReLU(channels))
        self.xvector.add_module("stats", StatisticsPool())
        self.xvector.add_module("dense", Embedding(2 * channels, config.dim))

    def forward(self, features: Tensor) -> Tensor:
        """Embed.

        Args:
            features: float32 [B, m, feat_dim], centred filterbank features, m >= 3.

        Returns:
            float32 [B, dim], not normalised in length.
        """
        out: Tensor = self.xvector(self.head(features.transpose(1, 2)))
        return out
