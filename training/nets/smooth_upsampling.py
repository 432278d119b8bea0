"""Upsampling that has no rhythm of its own.

A transposed convolution may give each sample between two frames a value of its own, so that a mel
that stands still comes out as a buzz at the frame rate, which a short training takes for a voice.
Here its kernels are held to one shape that blends neighbours (a box run over a box: the weights on
every sample sum to the same), so that all that vibrates comes from the harmonic source.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from indextts.layers.bigvgan import BigVGAN


@torch.no_grad()
def smooth_upsampling(vocoder: BigVGAN) -> None:
    """Bring the kernels to the nearest ones of that shape."""
    for up in vocoder.ups:
        assert isinstance(up, nn.ModuleList)
        conv = up[0]
        assert isinstance(conv, nn.ConvTranspose1d)
        weight = conv.weight  # [C, C / 2, kernel]
        shape = blend(weight.shape[-1], conv.stride[0]).to(weight)
        weight.copy_((weight @ shape)[..., None] / shape.square().sum() * shape)


def blend(kernel: int, stride: int) -> Tensor:
    """float32 [kernel]; what falls on each of the `stride` places sums to one."""
    slope = kernel - stride + 1
    box = torch.ones(1, 1, slope) / slope
    return torch.conv1d(torch.ones(1, 1, stride), box, padding=slope - 1)[0, 0]
