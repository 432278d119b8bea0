"""Small S2Mel models for tests: random ones, and those of the goldens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from indextts.config import (
    DiTConfig,
    LengthRegulatorConfig,
    PreprocessConfig,
    S2MelConfig,
    SpectrogramConfig,
    StyleEncoderConfig,
    WaveNetConfig,
)
from indextts.stages.acoustic import AcousticModel, load_acoustic_model
from indextts.utils.dataclass_io import from_mapping
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import json_file, stand_in


def small_config(**dit: Any) -> S2MelConfig:
    """A model of a few thousand parameters."""
    base = DiTConfig(
        hidden_dim=16, num_heads=2, depth=3, in_channels=8, content_dim=16, ff_multiple=16
    )
    return S2MelConfig(
        preprocess_params=PreprocessConfig(22050, SpectrogramConfig(1024, 1024, 256, 8)),
        style_encoder=StyleEncoderConfig(6),
        length_regulator=LengthRegulatorConfig(16, 12, (1, 1)),
        DiT=replace(base, **dit),
        wavenet=WaveNetConfig(16, 3, 5, 2),
        gpt_layer=(10, 4, 12),
        diffusion_steps=3,
    )


def small_model(**dit: Any) -> AcousticModel:
    torch.manual_seed(7)
    return AcousticModel(small_config(**dit)).requires_grad_(False).eval()


def golden_config(name: str) -> S2MelConfig:
    """``config.json`` of the goldens; the prompt's spectrogram is no part of them."""
    data = json_file(f"s2mel/{name}")
    spectrogram = {"n_fft": 1024, "win_length": 1024, "hop_length": 256, "n_mels": 80}
    section = {
        **data["s2mel"],
        "preprocess_params": {"sr": 22050, "spect_params": spectrogram},
        "gpt_layer": data.get("gpt_layer", [1280, 256, 128, 1024]),
    }
    return from_mapping(S2MelConfig, section, name)


def official_config() -> S2MelConfig:
    config = golden_config("config.json")
    return replace(
        config,
        length_regulator=replace(config.length_regulator, channels=512),
        DiT=replace(config.DiT, hidden_dim=512, num_heads=8, depth=13, content_dim=512),
        wavenet=replace(config.wavenet, hidden_dim=512, num_layers=8),
    )


def checkpoint_shapes(model: AcousticModel) -> dict[str, tuple[int, ...]]:
    """The keys and shapes that the model's file has: weight norm apart, wrapped convolutions."""
    shapes: dict[str, tuple[int, ...]] = {}
    for key, value in model.state_dict().items():
        shape = tuple(value.shape)
        name = key
        if ".wavenet." in key:
            stem, leaf = key.rsplit(".", 1)
            name = f"{stem}.conv.conv.{leaf}"
        if name.endswith(".weight") and (".wavenet." in key or ".final_layer.linear." in key):
            shapes[f"{name}_g"] = (shape[0], *[1] * (len(shape) - 1))
            shapes[f"{name}_v"] = shape
        else:
            shapes[name] = shape
    return shapes


def nested(flat: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """``<part>.<key>`` -> ``{part: {key: tensor}}``."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in flat.items():
        part, key = name.split(".", 1)
        parts.setdefault(part, {})[key] = value
    return parts


def golden_model(config: S2MelConfig, folder: Path) -> AcousticModel:
    """The model of the goldens, read from a file of the official form."""
    with skeleton():
        shapes = checkpoint_shapes(AcousticModel(config))
    flat = {key: stand_in(key, shape) for key, shape in shapes.items()}
    path = folder / "s2mel.pth"
    torch.save({"net": nested(flat), "epoch": 1}, path)
    return load_acoustic_model(path, config)
