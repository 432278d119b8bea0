"""Loading and running the speech encoder."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from indextts.errors import AudioError, ConfigError, ModelFileError
from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.network_configs import W2VBertConfig
from indextts.stages.semantic_features import load_semantic_features
from indextts.utils.fbank import speech_features
from tests.indextts.goldens import SHARED, assert_close, needs_goldens

TINY = W2VBertConfig(
    hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24
)


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def whole() -> W2VBertEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        module = W2VBertEncoder(TINY, 3)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.3)
    return module.requires_grad_(False).eval()


@pytest.fixture
def folder(tmp_path: Path, whole: W2VBertEncoder) -> Path:
    write(tmp_path, whole)
    return tmp_path


def write(folder: Path, module: W2VBertEncoder, prefix: str = "", **extra: Tensor) -> None:
    config = asdict(TINY) | {"model_type": "wav2vec2-bert", "layerdrop": 0.1}
    (folder / "config.json").write_text(json.dumps(config))
    state = {f"{prefix}{key}": value for key, value in module.state_dict().items()}
    save_file({**state, **extra}, folder / "model.safetensors")
    mean = torch.linspace(-1, 1, 16)
    torch.save({"mean": mean, "var": mean.square() + 0.5}, folder / "stats.pt")


def test_features_are_normalised_hidden_states(folder: Path, whole: W2VBertEncoder) -> None:
    stage = load_semantic_features(folder, folder / "stats.pt", 2, "cpu")
    wave = noise(400 + 160 * 20)  # 21 frames: the last pair is masked, and kept
    result = stage(wave)
    assert result.shape == (1, 11, 16)
    features, mask = speech_features(wave)
    hidden = whole.feature_projection(features).masked_fill(~mask[..., None], 0.0)
    for layer in list(whole.encoder.layers)[:2]:
        hidden = layer(hidden, mask)
    mean = torch.linspace(-1, 1, 16)
    assert_close(result, (hidden - mean) / (mean.square() + 0.5).sqrt(), atol=1e-5)


def test_only_the_layers_asked_for_are_there(folder: Path) -> None:
    stage = load_semantic_features(folder, folder / "stats.pt", 1, "cpu")
    assert len(stage.encoder.encoder.layers) == 1
    assert not any(parameter.requires_grad for parameter in stage.encoder.parameters())
    assert not stage.encoder.training


def test_prefix_of_models_with_a_head(folder: Path, whole: W2VBertEncoder, tmp_path: Path) -> None:
    plain = load_semantic_features(folder, folder / "stats.pt", 3, "cpu")(noise(5000))
    write(tmp_path, whole, "wav2vec2_bert.", masked_spec_embed=torch.zeros(16))
    prefixed = load_semantic_features(tmp_path, tmp_path / "stats.pt", 3, "cpu")(noise(5000))
    assert_close(plain, prefixed, atol=1e-6)


def test_threads_share_a_stage(folder: Path) -> None:
    stage = load_semantic_features(folder, folder / "stats.pt", 3, "cpu")
    waves = [noise(3000 + 777 * index, seed=index) for index in range(8)]
    alone = [stage(wave) for wave in waves]
    before = dict(vars(stage))
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for result, expected in zip(pool.map(stage, waves), alone, strict=True):
                assert_close(result, expected, atol=1e-6)
    assert vars(stage) == before


def test_files_of_another_model(folder: Path, whole: W2VBertEncoder) -> None:
    with pytest.raises(ConfigError, match="semantic_layer is 4"):
        load_semantic_features(folder, folder / "stats.pt", 4, "cpu")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 32}))
    with pytest.raises(ModelFileError, match="has shape"):
        load_semantic_features(folder, folder / "stats.pt", 2, "cpu")
    (folder / "config.json").write_text(json.dumps(config))
    state = whole.state_dict()
    del state["encoder.layers.1.ffn1.output_dense.bias"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ModelFileError, match=r"layers\.1\.ffn1\.output_dense\.bias"):
        load_semantic_features(folder, folder / "stats.pt", 2, "cpu")
    assert load_semantic_features(folder, folder / "stats.pt", 1, "cpu")(noise(4000)).ndim == 3


@pytest.mark.parametrize(
    ("stats", "message"),
    [
        ({"mean": torch.zeros(16)}, "no tensor 'var'"),
        ([1, 2], "no state dict"),
        ({"mean": torch.zeros(16), "var": torch.ones(8)}, r"shape \(8,\)"),
        ({"mean": torch.zeros(16), "var": torch.zeros(16)}, "no usable number"),
        ({"mean": torch.full((16,), torch.nan), "var": torch.ones(16)}, "no usable number"),
    ],
)
def test_unusable_statistics(folder: Path, stats: object, message: str) -> None:
    torch.save(stats, folder / "stats.pt")
    with pytest.raises(ModelFileError, match=message):
        load_semantic_features(folder, folder / "stats.pt", 2, "cpu")


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is missing"):
        load_semantic_features(folder, tmp_path / "other.pt", 2, "cpu")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match="is missing"):
        load_semantic_features(folder, folder / "stats.pt", 2, "cpu")
    (folder / "config.json").unlink()
    with pytest.raises(ModelFileError, match="is missing"):
        load_semantic_features(folder, folder / "stats.pt", 2, "cpu")


def test_too_short_a_clip(folder: Path) -> None:
    stage = load_semantic_features(folder, folder / "stats.pt", 2, "cpu")
    with pytest.raises(AudioError, match="too short"):
        stage(noise(500))


@needs_goldens
def test_official_statistics(tmp_path: Path) -> None:
    config = replace(TINY, hidden_size=1024, num_attention_heads=16)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = W2VBertEncoder(config, 1)
    (tmp_path / "config.json").write_text(json.dumps(asdict(config)))
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    path = SHARED / "assets" / "wav2vec2bert_stats.pt"
    stage = load_semantic_features(tmp_path, path, 1, "cpu")
    content = torch.load(path, weights_only=True)
    assert_close(stage.mean, content["mean"], atol=0)
    assert_close(stage.deviation.square(), content["var"], atol=1e-6, rtol=1e-6)
    assert stage(noise(3000)).shape == (1, 9, 1024)
