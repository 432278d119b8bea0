"""Perceiver resampler: any number of frames to a fixed number of latents (gpt.md 2.2)."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LatentAttention(nn.Module):
    """Latents look at the latents themselves, then at the context."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        inner = heads * head_dim
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)  # [B, H, T, 64]

    def forward(self, latents: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """latents [B, N, P], context [B, T, P], mask [B, T] (True = valid) -> [B, N, P]."""
        source = torch.cat((latents, context), dim=1)
        keys, values = self.to_kv(source).chunk(2, dim=-1)
        q, k, v = self._split(self.to_q(latents)), self._split(keys), self._split(values)
        scores = q @ k.transpose(-1, -2) / math.sqrt(self.head_dim)
        if mask is not None:
            seen = F.pad(mask, (latents.shape[1], 0), value=True)
            scores = scores.masked_fill(~seen[:, None, None], -torch.finfo(scores.dtype).max)
        return self.to_out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class GatedGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        value, gate = x.chunk(2, dim=-1)
        return value * F.gelu(gate)


class RMSNorm(nn.Module):
    """x / ||x|| * sqrt(dim) * gamma over the last axis."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1) * math.sqrt(x.shape[-1]) * self.gamma


class PerceiverResampler(nn.Module):
    """Context [B, T, context_dim] -> [B, latents, dim]."""

    def __init__(
        self,
        dim: int,
        context_dim: int,
        *,
        latents: int,
        heads: int,
        head_dim: int,
        depth: int,
        mult: int,
    ) -> None:
        super().__init__()
        inner = int(dim * mult * 2 / 3)
        self.proj_context = nn.Linear(context_dim, dim) if context_dim != dim else nn.Identity()
        self.latents = nn.Parameter(torch.empty(latents, dim))
        self.layers = nn.ModuleList(
            nn.ModuleList(
                (
                    LatentAttention(dim, heads, head_dim),
                    nn.Sequential(nn.Linear(dim, 2 * inner), GatedGELU(), nn.Linear(inner, dim)),
                )
            )
            for _ in range(depth)
        )
        self.norm = RMSNorm(dim)

    def forward(self, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """context [B, T, context_dim], mask [B, T] (True = valid) -> [B, latents, dim]."""
        context = self.proj_context(context)
        latents = self.latents.expand(context.shape[0], -1, -1)
        for layer in self.layers:
            attention, feed_forward = cast("nn.ModuleList", layer)
            latents = attention(latents, context, mask) + latents
            latents = feed_forward(latents) + latents
        return self.norm(latents)
