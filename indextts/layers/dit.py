"""The velocity estimator: a diffusion transformer with a WaveNet tail (s2mel.md 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.config import DiTConfig, WaveNetConfig
from indextts.layers.rotary import rotary_table, rotate
from indextts.layers.wavenet import WaveNet, WaveNetFrames


class TimestepEmbedder(nn.Module):
    """Sinusoids of the time through two Linears (4.1): [B] -> [B, width]."""

    def __init__(self, width: int, config: DiTConfig) -> None:
        super().__init__()
        self.scale = config.time_scale
        self.pairs = config.time_frequency_size // 2
        self.max_period = config.time_max_period
        self.mlp = nn.Sequential(
            nn.Linear(config.time_frequency_size, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.freqs: Tensor
        self.register_buffer("freqs", torch.empty(self.pairs), persistent=False)
        if not self.freqs.is_meta:
            self.compute_buffers(self.freqs.device)

    def compute_buffers(self, device: torch.device) -> None:
        index = torch.arange(self.pairs, dtype=torch.float32, device=device)
        self.freqs = torch.exp(-math.log(self.max_period) * index / self.pairs)

    def forward(self, t: Tensor) -> Tensor:
        # The scale goes first: (scale * t) * freqs rounds differently from t * (scale * freqs).
        angles = (self.scale * t)[:, None] * self.freqs  # [B, pairs]
        emb: Tensor = self.mlp(torch.cat((angles.cos(), angles.sin()), dim=-1))
        return emb


class RMSNorm(nn.Module):
    """Root mean square normalisation over the last axis, but for its weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5)


class AdaptiveNorm(nn.Module):
    """RMSNorm whose scale and shift come from the time embedding (4.4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project_layer = nn.Linear(width, 2 * width)
        self.norm = RMSNorm(width)

    def forward(self, x: Tensor, t1: Tensor) -> Tensor:
        """x [B, T, D], t1 [B or 1, D] -> [B, T, D]."""
        weight, bias = self.project_layer(t1)[:, None].chunk(2, dim=-1)
        # Both weights at once: a pass over x less.
        return torch.addcmul(bias, self.norm(x), weight * self.norm.weight)


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions.

    Attributes:
        products: what queries, keys and values are multiplied in.
    """

    products = torch.float32

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.wqkv = nn.Linear(config.hidden_dim, 3 * config.hidden_dim, bias=False)
        self.wo = nn.Linear(config.hidden_dim, config.hidden_dim, bias=False)

    def forward(self, x: Tensor, rotary: Tensor, mask: Tensor | None, start: int = 0) -> Tensor:
        """Of the frames from `start` on, to all frames.

        x [B, T, D], rotary of T positions, mask bool [B or 1, 1, 1, T] (True = attend)
        -> [B, T - start, D].
        """
        batch, frames, width = x.shape
        qkv = self.wqkv(x).view(batch, frames, 3 * self.heads, width // self.heads)
        qk = rotate(qkv[:, :, : 2 * self.heads], rotary)  # [B, T, 2H, hd]
        q, k = qk.transpose(1, 2).chunk(2, dim=1)  # [B, H, T, hd]
        q = q[:, :, start:]
        v = qkv[:, :, 2 * self.heads :].transpose(1, 2)
        q, k, v = (part.to(self.products) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).to(x.dtype)
        result: Tensor = self.wo(y.transpose(1, 2).reshape(batch, frames - start, width))
        return result


class FeedForward(nn.Module):
    """Gated feed-forward: w2(SiLU(w1 x) * w3 x)."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.hidden_dim, config.ff_dim, bias=False)
        self.w3 = nn.Linear(config.hidden_dim, config.ff_dim, bias=False)
        self.w2 = nn.Linear(config.ff_dim, config.hidden_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return result


class TransformerBlock(nn.Module):
    """One layer; `receives_skip` builds the Linear that takes in an earlier layer's output."""

    def __init__(self, config: DiTConfig, *, receives_skip: bool) -> None:
        super().__init__()
        width = config.hidden_dim
        self.attention = Attention(config)
        self.feed_forward = FeedForward(config)
        self.ffn_norm = AdaptiveNorm(width)
        self.attention_norm = AdaptiveNorm(width)
        self.skip_in_linear = nn.Linear(2 * width, width) if receives_skip else None

    def forward(
        self,
        x: Tensor,
        t1: Tensor,
        rotary: Tensor,
        mask: Tensor | None,
        skip: Tensor | None,
        start: int = 0,
    ) -> Tensor:
        """The frames from `start` on: [B, T, D] -> [B, T - start, D]."""
        if self.skip_in_linear is not None and skip is not None:
            x = self.skip_in_linear(torch.cat((x, skip), dim=-1))
        mixed = self.attention(self.attention_norm(x, t1), rotary, mask, start)
        x = x[:, start:] + mixed
        result: Tensor = x + self.feed_forward(self.ffn_norm(x, t1))
        return result


class Transformer(nn.Module):
    """Layers with U-shaped skips: the first half feeds the second, last in, first out."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.middle = config.depth // 2
        self.layers = nn.ModuleList(
            TransformerBlock(config, receives_skip=index > self.middle)
            for index in range(config.depth)
        )
        self.norm = AdaptiveNorm(config.hidden_dim)

    def forward(
        self, x: Tensor, t1: Tensor, rotary: Tensor, mask: Tensor | None, start: int = 0
    ) -> Tensor:
        """The frames from `start` on: [B, T, D] -> [B, T - start, D]."""
        skips: list[Tensor] = []
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            skip = skips.pop() if index > self.middle else None
            x = layer(x, t1, rotary, mask, skip, start if index == last else 0)
            if index < self.middle:
                skips.append(x)
        result: Tensor = self.norm(x, t1)
        return result


class FinalLayer(nn.Module):
    """LayerNorm shifted and scaled by the time embedding, then a Linear (4.5, item 4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, y: Tensor, t1: Tensor) -> Tensor:
        """y [B, T, W], t1 [B or 1, W] -> [B, T, W]."""
        shift, scale = self.adaLN_modulation(t1)[:, None].chunk(2, dim=-1)
        y = F.layer_norm(y, y.shape[-1:], eps=1e-6) * (1 + scale) + shift
        result: Tensor = self.linear(y)
        return result


@dataclass(frozen=True, eq=False)
class DiTContext:
    """What stays the same over the steps of one sampling.

    Attributes:
        merged: float32 [B, T, D], share of prompt, content and style in the input merge.
        rotary: turns of T positions.
        attention_mask: bool [B or 1, 1, 1, T], or None where all frames are real.
        first: the frame from which on the velocity is wanted.
        start: the frame from which on it needs what the transformer gives: the WaveNet reads so
            far to the left.
        frames: which of the frames from there on are real.
    """

    merged: Tensor
    rotary: Tensor
    attention_mask: Tensor | None
    first: int
    start: int
    frames: WaveNetFrames


class DiT(nn.Module):
    """Estimates the velocity of the noisy mel at a time.

    Attribute names are the keys ``cfm.estimator.*`` after ``stages.acoustic`` has folded the
    weight norm; parameters that no forward pass reads are not built.
    """

    def __init__(self, config: DiTConfig, wavenet: WaveNetConfig, style_dim: int) -> None:
        super().__init__()
        width, bands = config.hidden_dim, config.in_channels
        self.head_dim = width // config.num_heads
        self.rope_base = config.rope_base
        self.merge_parts = (bands, bands, width, style_dim)
        self.cond_projection = nn.Linear(config.content_dim, width)
        self.cond_x_merge_linear = nn.Linear(sum(self.merge_parts), width)
        self.t_embedder = TimestepEmbedder(width, config)
        self.t_embedder2 = TimestepEmbedder(wavenet.hidden_dim, config)
        self.transformer = Transformer(config)
        self.skip_linear = nn.Linear(width + bands, width)
        self.conv1 = nn.Linear(width, wavenet.hidden_dim)
        self.wavenet = WaveNet(wavenet)
        self.res_projection = nn.Linear(width, wavenet.hidden_dim)
        self.final_layer = FinalLayer(wavenet.hidden_dim)
        self.conv2 = nn.Conv1d(wavenet.hidden_dim, bands, 1)

    def prepare(
        self,
        prompt_x: Tensor,
        lengths: Tensor,
        style: Tensor,
        mu: Tensor,
        *,
        first: int = 0,
        rows_alone: bool = False,
    ) -> DiTContext:
        """Compute once what every step needs.

        Args:
            prompt_x: float32 [B, M, T], prompt mel followed by zeros.
            lengths: int64 [B], or [1] for all rows: real frames.
            style: float32 [B, style_dim].
            mu: float32 [B, T, content_dim].
            first: the frame from which on the velocity is wanted, below all `lengths`.  Those
                before it, a prompt's, are worked on only as far as the others look at them.
            rows_alone: make the result of each row's real frames the one it has alone.  Without
                it, short rows of a batch differ near their ends, as in the reference.
        """
        total = mu.shape[1]
        # The merge Linear is applied in pieces: the piece of the noisy mel changes with each
        # step, all others do not.
        _, for_prompt, for_content, for_style = self._merge_weights()
        merged = F.linear(prompt_x.transpose(1, 2), for_prompt, self.cond_x_merge_linear.bias)
        merged = merged + F.linear(self.cond_projection(mu), for_content)
        merged = merged + F.linear(style, for_style)[:, None]  # [B, T, D]
        start = max(0, first - self.wavenet.reach)
        frames = self.wavenet.frames(lengths - start, total - start, rows_alone=rows_alone)
        # All frames before the start are real.
        mask = None if frames.mask is None else F.pad(frames.mask, (start, 0), value=True)
        return DiTContext(
            merged=merged,
            rotary=rotary_table(total, self.head_dim, self.rope_base, mu.device),
            attention_mask=None if mask is None else mask[:, None],
            first=first,
            start=start,
            frames=frames,
        )

    def step(self, x: Tensor, t: Tensor, context: DiTContext) -> Tensor:
        """The velocity at a time.

        Args:
            x: float32 [B, M, T].
            t: float32 [B] or [1].
            context: from :meth:`prepare`.

        Returns:
            float32 [B, M, T - first].
        """
        start, skipped = context.start, context.first - context.start
        noisy = x.transpose(1, 2)  # [B, T, M]
        t1: Tensor = self.t_embedder(t)
        t2: Tensor = self.t_embedder2(t)
        h = F.linear(noisy, self._merge_weights()[0]) + context.merged  # [B, T, D]
        h = self.transformer(h, t1, context.rotary, context.attention_mask, start)
        h = self.skip_linear(torch.cat((h, noisy[:, start:]), dim=-1))
        y: Tensor = self.wavenet(self.conv1(h).transpose(1, 2), t2, context.frames)
        y = y[..., skipped:].transpose(1, 2)  # [B, T - first, W]
        y = self.final_layer(y + self.res_projection(h[:, skipped:]), t1)
        velocity: Tensor = self.conv2(y.transpose(1, 2))
        return velocity

    def forward(
        self,
        x: Tensor,
        prompt_x: Tensor,
        lengths: Tensor,
        t: Tensor,
        style: Tensor,
        mu: Tensor,
        *,
        rows_alone: bool = False,
    ) -> Tensor:
        """:meth:`prepare` and one :meth:`step`."""
        context = self.prepare(prompt_x, lengths, style, mu, rows_alone=rows_alone)
        return self.step(x, t, context)

    def _merge_weights(self) -> tuple[Tensor, ...]:
        """Columns of the merge Linear for noisy mel, prompt mel, content and style."""
        weight: Tensor = self.cond_x_merge_linear.weight
        return torch.split(weight, list(self.merge_parts), dim=1)
