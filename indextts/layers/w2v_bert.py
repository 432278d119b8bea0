"""The conformer encoder of w2v-BERT 2.0 (audio.md 5).

Attribute names are the keys of ``facebook/w2v-bert-2.0``.  Only as many layers are built as are
asked for: IndexTTS2 reads the output of the 17th of 24.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.network_configs import W2VBertConfig


class FeatureProjection(nn.Module):
    """Filterbank features [B, T, 160] -> [B, T, D]."""

    def __init__(self, config: W2VBertConfig) -> None:
        super().__init__()
        width = config.feature_projection_input_dim
        self.layer_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.projection = nn.Linear(width, config.hidden_size)

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.projection(self.layer_norm(features))
        return projected


class FeedForward(nn.Module):
    def __init__(self, config: W2VBertConfig) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output_dense = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.output_dense(F.silu(self.intermediate_dense(x)))
        return out


class SelfAttention(nn.Module):
    """Attention with a learned embedding of the clamped distance, shared by the heads."""

    def __init__(self, config: W2VBertConfig) -> None:
        super().__init__()
        dim = config.hidden_size
        self.heads = config.num_attention_heads
        self.head_dim = dim // self.heads
        self.left = config.left_max_position_embeddings
        self.right = config.right_max_position_embeddings
        self.linear_q = nn.Linear(dim, dim)
        self.linear_k = nn.Linear(dim, dim)
        self.linear_v = nn.Linear(dim, dim)
        self.linear_out = nn.Linear(dim, dim)
        self.distance_embedding = nn.Embedding(self.left + self.right + 1, self.head_dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, D], mask bool [B, T] of the keys -> [B, T, D]."""
        batch, frames, _ = x.shape
        query, key, value = (
            linear(x).view(batch, frames, self.heads, self.head_dim).transpose(1, 2)
            for linear in (self.linear_q, self.linear_k, self.linear_v)
        )  # [B, H, T, head_dim] each
        # q . E for the 73 distances there are, then spread over the keys.
        by_distance = query @ self.distance_embedding.weight.T  # [B, H, T, 73]
        index = self._distances(frames, x.device).expand(batch, self.heads, frames, frames)
        bias = by_distance.gather(-1, index) * self.head_dim**-0.5  # [B, H, T, T]
        bias = bias.masked_fill(~mask[:, None, None], torch.finfo(bias.dtype).min)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.linear_out(mixed.transpose(1, 2).flatten(2))
        return out

    def _distances(self, frames: int, device: torch.device) -> Tensor:
        """int64 [T, T]: clamp(key - query, -left, right) + left."""
        place = torch.arange(frames, device=device)
        return (place[None] - place[:, None]).clamp(-self.left, self.right) + self.left


class ConvolutionModule(nn.Module):
    """Gated, causal depthwise convolution over time."""

    def __init__(self, config: W2VBertConfig) -> None:
        super().__init__()
        dim, kernel = config.hidden_size, config.conv_depthwise_kernel_size
        self.past = kernel - 1
        self.layer_norm = nn.LayerNorm(dim, config.layer_norm_eps)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, kernel, groups=dim, bias=False)
        self.depthwise_layer_norm = nn.LayerNorm(dim, config.layer_norm_eps)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, D], mask bool [B, T] -> [B, T, D]."""
        x = self.layer_norm(x).masked_fill(~mask[..., None], 0.0).transpose(1, 2)  # [B, D, T]
        x = F.glu(self.pointwise_conv1(x), dim=1)
        x = self.depthwise_conv(F.pad(x, (self.past, 0)))
        x = F.silu(self.depthwise_layer_norm(x.transpose(1, 2)))  # [B, T, D]
        out: Tensor = self.pointwise_conv2(x.transpose(1, 2))
        return out.transpose(1, 2)


class ConformerLayer(nn.Module):
    def __init__(self, config: W2VBertConfig) -> None:
        super().__init__()
        dim, eps = config.hidden_size, config.layer_norm_eps
        self.ffn1_layer_norm = nn.LayerNorm(dim, eps)
        self.ffn1 = FeedForward(config)
        self.self_attn_layer_norm = nn.LayerNorm(dim, eps)
        self.self_attn = SelfAttention(config)
        self.conv_module = ConvolutionModule(config)
        self.ffn2_layer_norm = nn.LayerNorm(dim, eps)
        self.ffn2 = FeedForward(config)
        self.final_layer_norm = nn.LayerNorm(dim, eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, D], mask bool [B, T] -> [B, T, D]."""
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x))
        x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
        x = x + self.conv_module(x, mask)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x))
        out: Tensor = self.final_layer_norm(x)
        return out


class ConformerStack(nn.Module):
    def __init__(self, config: W2VBertConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, mask)
        return x


class W2VBertEncoder(nn.Module):
    """The first `layers` layers of the speech encoder.

    Args:
        config: the public model's ``config.json``.
        layers: the output is ``hidden_states[layers]`` of the public model; 0 is the masked
            projection.
    """

    def __init__(self, config: W2VBertConfig, layers: int) -> None:
        super().__init__()
        self.feature_projection = FeatureProjection(config)
        self.encoder = ConformerStack(config, layers)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Encode.

        Args:
            features: float32 [B, T, 160] (``utils.fbank.speech_features``).
            mask: bool or int [B, T], true where a frame is heard.

        Returns:
            float32 [B, T, D].  Masked positions hold values, too, and IndexTTS2 uses them.
        """
        heard = mask.bool()
        x = self.feature_projection(features).masked_fill(~heard[..., None], 0.0)  # [B, T, D]
        out: Tensor = self.encoder(x, heard)
        return out
