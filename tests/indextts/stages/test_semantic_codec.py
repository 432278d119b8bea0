"""Loading the semantic codec."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from indextts.config import SemanticCodecConfig
from indextts.errors import ModelFileError
from indextts.layers.rep_codec import RepCodec
from indextts.stages.semantic_codec import load_semantic_codec
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import arrays, assert_close, json_file, needs_goldens, stand_ins

TINY = SemanticCodecConfig(32, 12, 4, 8, 16, 2)


def file_state(config: SemanticCodecConfig = TINY) -> dict[str, Tensor]:
    """Random values under the keys of the file: weight-normed, decoder included."""
    generator = torch.Generator().manual_seed(5)
    with skeleton():
        shapes = {key: tuple(value.shape) for key, value in RepCodec(config).state_dict().items()}
    for key in [key for key in shapes if key.endswith("_project.weight")]:
        shape = shapes.pop(key)
        shapes[f"{key}_g"], shapes[f"{key}_v"] = (shape[0], 1, 1), shape
    shapes["decoder.0.embed.weight"] = (3, 3)
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@needs_goldens
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_golden_from_a_file(tmp_path: Path, suffix: str) -> None:
    config = SemanticCodecConfig(**json_file("codec/config.json")["semantic_codec"])
    state = stand_ins({key: list(value.shape) for key, value in file_state(config).items()})
    path = tmp_path / f"codec{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    codec = load_semantic_codec(path, config, "cpu")
    golden = arrays("codec/codec_tiny.npz")
    codes, embedding = codec.quantize(golden["x"])
    assert torch.equal(codes, golden["indices"])
    assert_close(embedding, golden["S_ref"], atol=2e-5)
    assert_close(codec.embed(golden["codes"]).transpose(1, 2), golden["vq2emb"], atol=2e-5)


def test_weight_norm_is_folded_in(tmp_path: Path) -> None:
    state = file_state()
    save_file(state, tmp_path / "codec.safetensors")
    codec = load_semantic_codec(tmp_path / "codec.safetensors", TINY, torch.device("cpu"))
    prefix = "quantizer.quantizers.0.out_project."
    for row in range(12):
        direction = state[f"{prefix}weight_v"][row, :, 0]
        expected = state[f"{prefix}weight_g"][row, 0, 0] * direction / direction.norm()
        folded = codec.state_dict()[f"{prefix}weight"][row, :, 0]
        assert_close(folded, expected, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in codec.parameters())


def test_unusable_files(tmp_path: Path) -> None:
    path = tmp_path / "codec.safetensors"
    with pytest.raises(ModelFileError, match="is missing"):
        load_semantic_codec(path, TINY, "cpu")
    state = file_state()
    save_file(state, path)
    with pytest.raises(ModelFileError, match=r"codebook.weight' has shape \(32, 4\)"):
        load_semantic_codec(path, replace(TINY, codebook_size=64), "cpu")
    del state["encoder.0.convnext.1.gamma"]
    save_file(state, path)
    with pytest.raises(ModelFileError, match=r"encoder\.0\.convnext\.1\.gamma"):
        load_semantic_codec(path, TINY, "cpu")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="truncated"):
        load_semantic_codec(path, TINY, "cpu")


def test_threads_share_a_codec(tmp_path: Path) -> None:
    save_file(file_state(), tmp_path / "codec.safetensors")
    codec = load_semantic_codec(tmp_path / "codec.safetensors", TINY, "cpu")
    inputs = [noise(1, 5 + 3 * index, 12, seed=index) for index in range(8)]
    alone = [codec.quantize(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for (codes, embedding), (want_codes, want) in zip(
            pool.map(codec.quantize, inputs), alone, strict=True
        ):
            assert torch.equal(codes, want_codes)
            assert_close(embedding, want, atol=1e-6)
