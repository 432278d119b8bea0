"""Conformer encoder of the GPT's reference clips (gpt.md 2.1).

Two of them read the semantic features: one for the voice, one for the emotion.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.config import ConformerConfig


def sinusoids(length: int, dim: int, device: torch.device) -> Tensor:
    """Position table [length, dim]: sine in even columns, cosine in odd ones, base 10000."""
    position = torch.arange(length, dtype=torch.float32, device=device)[:, None]
    rate = torch.exp(
        torch.arange(0, dim, 2, dtype=torch.float32, device=device) * -(math.log(10000.0) / dim)
    )
    table = torch.empty(length, dim, device=device)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table


class Subsampling(nn.Module):
    """Halves the frame rate by one strided convolution over time and features."""

    def __init__(self, input_dim: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, dim, 3, stride=2), nn.ReLU())
        self.out = nn.Sequential(nn.Linear(dim * ((input_dim - 1) // 2), dim))
        self.scale = math.sqrt(dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, input_dim] -> [B, (T - 1) // 2, dim]."""
        x = self.conv(x[:, None])  # [B, C, T', F']
        x = x.transpose(1, 2).flatten(2)  # [B, T', C * F'], the channel is the slow index
        return self.out(x) * self.scale


class PositionAttention(nn.Module):
    """Self-attention with a learned view on the absolute position of the key (no shift)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.linear_q = nn.Linear(dim, dim)
        self.linear_k = nn.Linear(dim, dim)
        self.linear_v = nn.Linear(dim, dim)
        self.linear_out = nn.Linear(dim, dim)
        self.linear_pos = nn.Linear(dim, dim, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(heads, self.head_dim))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, self.head_dim))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)  # [B, H, T, dk]

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        """x [B, T, C], positions [1, T, C], mask [B, T] (True = valid) -> [B, T, C]."""
        q, k, v = (self._split(f(x)) for f in (self.linear_q, self.linear_k, self.linear_v))
        p = self._split(self.linear_pos(positions))  # [1, H, T, dk]
        content = (q + self.pos_bias_u[:, None]) @ k.transpose(-1, -2)
        position = (q + self.pos_bias_v[:, None]) @ p.transpose(-1, -2)
        scores = (content + position) / math.sqrt(self.head_dim)  # [B, H, T, T]
        if mask is not None:
            hidden = ~mask[:, None, None]
            # A row without any valid key comes out as zero, not as NaN.
            weights = scores.masked_fill(hidden, -math.inf).softmax(-1).masked_fill(hidden, 0.0)
        else:
            weights = scores.softmax(-1)
        return self.linear_out((weights @ v).transpose(1, 2).flatten(2))


class ConvolutionModule(nn.Module):
    """Gated pointwise, depthwise and pointwise convolution over time."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1)
        self.depthwise_conv = nn.Conv1d(dim, dim, kernel, padding=(kernel - 1) // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, C] -> [B, T, C]; masked frames neither enter nor leave."""
        x = _zero_masked(x, mask).transpose(1, 2)  # [B, C, T]
        x = self.depthwise_conv(F.glu(self.pointwise_conv1(x), dim=1))
        x = F.silu(self.norm(x.transpose(1, 2)))
        x = self.pointwise_conv2(x.transpose(1, 2)).transpose(1, 2)
        return _zero_masked(x, mask)


class FeedForward(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(dim, inner)
        self.w_2 = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(F.silu(self.w_1(x)))


class ConformerBlock(nn.Module):
    """Pre-norm: attention, convolution, one feed-forward (not macaron), final norm."""

    def __init__(self, config: ConformerConfig, kernel: int) -> None:
        super().__init__()
        dim = config.output_size
        self.self_attn = PositionAttention(dim, config.attention_heads)
        self.conv_module = ConvolutionModule(dim, kernel)
        self.feed_forward = FeedForward(dim, config.linear_units)
        self.norm_mha = nn.LayerNorm(dim)
        self.norm_conv = nn.LayerNorm(dim)
        self.norm_ff = nn.LayerNorm(dim)
        self.norm_final = nn.LayerNorm(dim)

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.norm_mha(x), positions, mask)
        x = x + self.conv_module(self.norm_conv(x), mask)
        x = x + self.feed_forward(self.norm_ff(x))
        return self.norm_final(x)


class ConformerEncoder(nn.Module):
    """Semantic features [B, T, input_dim] -> [B, (T - 1) // 2, output_size]."""

    def __init__(
        self, config: ConformerConfig, input_dim: int, kernel: int, max_frames: int
    ) -> None:
        super().__init__()
        self.dim, self.max_frames = config.output_size, max_frames
        self.embed = Subsampling(input_dim, config.output_size)
        self.encoders = nn.ModuleList(
            ConformerBlock(config, kernel) for _ in range(config.num_blocks)
        )
        self.after_norm = nn.LayerNorm(config.output_size)

    def forward(self, x: Tensor, valid_frames: int | None = None) -> tuple[Tensor, Tensor | None]:
        """Encode a clip.

        Args:
            x: [B, T, input_dim] with T >= 3.
            valid_frames: frames of `x` from this index on are masked; None masks nothing.

        Returns:
            [B, T', C] and the mask [B, T'] of valid rows, None if all are.
        """
        batch, frames, _ = x.shape
        out_frames = (frames - 1) // 2
        if out_frames < 1 or out_frames >= self.max_frames:
            raise ValueError(f"the conformer takes 3 to {2 * self.max_frames} frames, got {frames}")
        mask: Tensor | None = None
        if valid_frames is not None and valid_frames < frames:
            index = torch.arange(frames, device=x.device)
            mask = (index < valid_frames)[2::2].expand(batch, out_frames)
        hidden = self.embed(x)
        positions = sinusoids(out_frames, self.dim, x.device).to(hidden.dtype)[None]
        for block in self.encoders:
            hidden = block(hidden, positions, mask)
        return self.after_norm(hidden), mask


def _zero_masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask[:, :, None].to(x.dtype)
