"""Small generators for tests: random ones, and that of the goldens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from indextts.layers.bigvgan import BigVGAN
from indextts.network_configs import BigVGANConfig
from indextts.utils.dataclass_io import from_mapping
from tests.indextts.goldens import json_file, stand_ins


def small_settings(**changes: Any) -> dict[str, Any]:
    """Content of a ``config.json``."""
    return {
        "num_mels": 4,
        "upsample_initial_channel": 8,
        "upsample_rates": [4, 2],
        "upsample_kernel_sizes": [8, 4],
        "resblock_kernel_sizes": [3, 7],
        "resblock_dilation_sizes": [[1, 3], [1, 3]],
        "use_tanh_at_final": False,
        "use_bias_at_final": False,
        **changes,
    }


def small_config(**changes: Any) -> BigVGANConfig:
    return from_mapping(BigVGANConfig, small_settings(**changes), "config.json")


def small_model(**changes: Any) -> BigVGAN:
    torch.manual_seed(5)
    return BigVGAN(small_config(**changes)).requires_grad_(False).eval()


def write_config(folder: Path, settings: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def golden_checkpoint() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and weights of the goldens; the filters are left out of the weights."""
    data = json_file("bigvgan/tiny.json")
    shapes = {key: shape for key, shape in data["keys"].items() if not key.endswith(".filter")}
    return data["config"], stand_ins(shapes)
