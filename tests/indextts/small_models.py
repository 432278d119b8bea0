"""Small models with random weights, made here, for tests that need no goldens."""

from __future__ import annotations

import torch
from torch import nn

from indextts.config import ConformerConfig, GPTConfig
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.checkpoint import load_into
from indextts.utils.skeleton import skeleton


def small_gpt_config() -> GPTConfig:
    conformer = ConformerConfig(16, 32, 2, 1)
    return GPTConfig(
        model_dim=32,
        layers=2,
        heads=4,
        max_mel_tokens=120,
        max_text_tokens=60,
        number_text_tokens=300,
        number_mel_codes=66,
        start_mel_token=64,
        stop_mel_token=65,
        condition_module=conformer,
        emo_condition_module=conformer,
        semantic_dim=24,
        emo_perceiver_dim=24,
        condition_num_latent=4,
        perceiver_dim_head=8,
        pos_table_len=500,
    )


def fill_randomly(module: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random values for every entry of a module's state dict, in the scale of trained weights."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for key, value in module.state_dict().items():
        if not value.is_floating_point():
            state[key] = torch.zeros(value.shape, dtype=value.dtype)
            continue
        noise = torch.randn(value.shape, generator=random)
        if value.dim() > 1:
            state[key] = noise / max(value[0].numel(), 1) ** 0.5
        elif key.endswith(("weight", "gamma", "running_var")):
            state[key] = 1 + 0.1 * noise.abs()
        else:
            state[key] = 0.1 * noise
    return state


def small_gpt(seed: int = 0) -> SemanticGPT:
    with skeleton():
        model = SemanticGPT(small_gpt_config())
    load_into(model, fill_randomly(model, seed), "small_gpt")
    return model
