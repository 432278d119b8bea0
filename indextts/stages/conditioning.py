"""What the GPT hears of the reference clips: voice latents and emotion vector (gpt.md 1, 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from indextts.config import ConformerConfig, GPTConfig
from indextts.layers.conformer import ConformerEncoder
from indextts.layers.perceiver import PerceiverResampler


def _conformer(config: ConformerConfig, gpt: GPTConfig) -> ConformerEncoder:
    return ConformerEncoder(config, gpt.semantic_dim, gpt.cnn_kernel, gpt.pos_table_len)


def _perceiver(config: ConformerConfig, gpt: GPTConfig, dim: int, latents: int) -> nn.Module:
    return PerceiverResampler(
        dim,
        config.output_size,
        latents=latents,
        heads=config.attention_heads,
        head_dim=gpt.perceiver_dim_head,
        depth=gpt.perceiver_depth,
        mult=config.perceiver_mult,
    )


class ReferenceConditioner(nn.Module):
    """The part of ``gpt.pth`` that reads the reference clips."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        dim, emo_dim = config.model_dim, config.emo_perceiver_dim
        voice, emotion = config.condition_module, config.emo_condition_module
        self.conditioning_encoder = _conformer(voice, config)
        self.perceiver_encoder = _perceiver(voice, config, dim, config.condition_num_latent)
        self.emo_conditioning_encoder = _conformer(emotion, config)
        self.emo_perceiver_encoder = _perceiver(emotion, config, emo_dim, 1)
        self.emovec_layer = nn.Linear(emo_dim, dim)
        self.emo_layer = nn.Linear(dim, dim)
        self.speed_emb = nn.Embedding(2, dim)

    def voice(self, features: Tensor) -> Tensor:
        """Semantic features [1, T, semantic_dim] -> voice latents [1, N, D]."""
        hidden, mask = self.conditioning_encoder(features, self.config.cond_valid_frames)
        return self.perceiver_encoder(hidden, mask)

    def emotion(self, features: Tensor) -> Tensor:
        """Semantic features [1, T, semantic_dim] -> emotion vector [1, D]."""
        hidden, mask = self.emo_conditioning_encoder(features, self.config.cond_valid_frames)
        latent = self.emo_perceiver_encoder(hidden, mask)[:, 0]
        return self.emo_layer(self.emovec_layer(latent))

    def condition(self, voice: Tensor, emotion: Tensor) -> Tensor:
        """Voice latents [1, N, D] and emotion vector [1, D] -> GPT inputs [1, N + 2, D].

        The two rows behind the latents are the speed embeddings, row 1 before row 0.  The inputs
        need not be on the device of the weights.
        """
        speed = self.speed_emb.weight.flip(0)[None].to(voice.device)
        return torch.cat((voice + emotion[:, None], speed), dim=1)


def merge_emotion(base: Tensor, emotion: Tensor, alpha: float) -> Tensor:
    """Move from the speaker's own emotion vector towards another by `alpha`; all [1, D]."""
    return base + alpha * (emotion - base)
