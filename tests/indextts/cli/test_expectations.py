"""The expected keys and shapes are those of the official files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import nn

from indextts.cli.expectations import EXPECTATIONS, shapes_of_module
from indextts.config import load_model_config
from indextts.stages.acoustic import own_key
from tests.indextts.cli.small_model import write_json
from tests.indextts.goldens import SHARED, needs_goldens

OFFICIAL_BIGVGAN = {
    "num_mels": 80,
    "upsample_initial_channel": 1536,
    "upsample_rates": [4, 4, 2, 2, 2, 2],
    "upsample_kernel_sizes": [8, 8, 4, 4, 4, 4],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "use_bias_at_final": False,
}


@needs_goldens
@pytest.mark.parametrize(
    "name", ["gpt", "s2mel", "semantic_codec", "campplus", "w2v_bert", "bigvgan"]
)
def test_official_keys(name: str, tmp_path: Path) -> None:
    table = json.loads((SHARED / "spec" / "keys" / f"{name}.json").read_text(encoding="utf-8"))
    official = {
        own_key(key.replace(".weight_v", ".weight")): tuple(shape)
        for key, shape in table.get("checkpoint", table).items()
    }
    config = load_model_config(SHARED / "assets" / "config.yaml")
    companion = tmp_path / "config.json"
    write_json(companion, OFFICIAL_BIGVGAN if name == "bigvgan" else {})
    expected = EXPECTATIONS[name](config, (companion, tmp_path / "x"))
    assert expected
    assert {key: official.get(key) for key in expected} == expected


def test_shapes_of_a_module() -> None:
    shapes = shapes_of_module(lambda: nn.Linear(1 << 20, 1 << 20), "layer.")
    assert shapes == {"layer.weight": (1 << 20, 1 << 20), "layer.bias": (1 << 20,)}
