"""The speech encoder's layers."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from indextts.errors import ModelFileError
from indextts.layers.w2v_bert import SelfAttention, W2VBertEncoder
from indextts.network_configs import W2VBertConfig
from indextts.utils.checkpoint import load_into
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import (
    SHARED,
    arrays,
    assert_close,
    json_file,
    needs_goldens,
    stand_ins,
)

TINY = W2VBertConfig(
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=24,
    feature_projection_input_dim=6,
    left_max_position_embeddings=5,
    right_max_position_embeddings=2,
    conv_depthwise_kernel_size=4,
)


def encoder(config: W2VBertConfig = TINY, layers: int = 2) -> W2VBertEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        module = W2VBertEncoder(config, layers)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return module.requires_grad_(False).eval()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@needs_goldens
@pytest.mark.parametrize("mask", ["full", "last0"])
@pytest.mark.parametrize("layers", [0, 1, 2, 4])
def test_golden_hidden_states(layers: int, mask: str) -> None:
    golden = arrays("audio/w2vbert_tiny.safetensors")
    table = json_file("audio/w2vbert_tiny.json")
    with skeleton():
        module = W2VBertEncoder(W2VBertConfig(**table["config"]), layers)
    load_into(module, stand_ins(table["keys"]), "w2vbert_tiny")
    hidden = module(golden["input_features"], golden[f"mask_{mask}"])
    assert_close(hidden, golden[f"{mask}.hidden_{layers}"], atol=1e-5)


@needs_goldens
def test_official_keys_and_shapes() -> None:
    table = json.loads((SHARED / "spec/keys/w2v_bert.json").read_text())
    with skeleton():
        ours = W2VBertEncoder(W2VBertConfig(), 24).state_dict()
    assert {key: list(value.shape) for key, value in ours.items()} == {
        key: shape for key, shape in table.items() if key != "masked_spec_embed"
    }


def test_attention_by_loops() -> None:
    attention = encoder().encoder.layers[0].get_submodule("self_attn")
    assert isinstance(attention, SelfAttention)
    x = noise(1, 9, 16)
    mask = torch.ones(1, 9, dtype=torch.bool)
    mask[0, 7:] = False
    query, key, value = (
        linear(x)[0].view(9, 2, 8)
        for linear in (attention.linear_q, attention.linear_k, attention.linear_v)
    )
    mixed = torch.zeros(9, 2, 8)
    for head in range(2):
        for left in range(9):
            scores = []
            for right in range(7):
                distance = max(-5, min(2, right - left)) + 5
                place = attention.distance_embedding.weight[distance]
                scores.append(float(query[left, head] @ (key[right, head] + place)) / math.sqrt(8))
            weights = torch.tensor(scores).softmax(0)
            mixed[left, head] = weights @ value[:7, head]
    expected = attention.linear_out(mixed.view(1, 9, 16))
    assert_close(attention(x, mask), expected, atol=1e-5)


def test_convolution_sees_the_past_only() -> None:
    module = encoder().encoder.layers[0].get_submodule("conv_module")
    x = noise(1, 12, 16)
    changed = x.clone()
    changed[:, 8:, 0] += 3.0
    mask = torch.ones(1, 12, dtype=torch.bool)
    before, after = module(x, mask), module(changed, mask)
    assert_close(before[:, :8], after[:, :8], atol=1e-6)
    assert not torch.allclose(before[:, 8:], after[:, 8:], atol=1e-2)
    reach = x.clone()
    reach[:, 2, 0] += 3.0
    moved = (module(reach, mask) - before).abs().amax(-1)[0] > 1e-5
    assert moved.nonzero()[:, 0].tolist() == [2, 3, 4, 5]


def test_padded_rows_equal_rows_alone() -> None:
    module = encoder()
    features = noise(3, 20, 6)
    lengths = (20, 13, 1)
    mask = torch.zeros(3, 20, dtype=torch.int64)
    for row, length in enumerate(lengths):
        mask[row, :length] = 1
    together = module(features, mask)
    for row, length in enumerate(lengths):
        alone = module(features[row : row + 1, :length], mask[row : row + 1, :length])
        assert_close(together[row : row + 1, :length], alone, atol=1e-5)
    assert torch.isfinite(together).all()


def test_content_of_masked_frames_does_not_matter() -> None:
    module = encoder()
    features = noise(1, 10, 6)
    mask = torch.ones(1, 10, dtype=torch.bool)
    mask[:, -1] = False
    other = features.clone()
    other[:, -1] = 99.0
    assert torch.equal(module(features, mask), module(other, mask))


def test_deeper_encoder_starts_with_the_shallow_one() -> None:
    features, mask = noise(2, 10, 6), torch.ones(2, 10, dtype=torch.bool)
    deep = encoder(layers=3)
    for layers in (0, 1, 2, 3):
        with skeleton():
            part = W2VBertEncoder(TINY, layers)
        load_into(part, deep.state_dict(), "deep")
        x = deep.feature_projection(features)
        for layer in list(deep.encoder.layers)[:layers]:
            x = layer(x, mask)
        assert torch.equal(part(features, mask), x)


def test_other_dimensions_are_refused() -> None:
    with skeleton():
        wide = W2VBertEncoder(replace(TINY, intermediate_size=32), 2)
    with pytest.raises(ModelFileError, match=r"intermediate_dense.weight' has shape \(24, 16\)"):
        load_into(wide, encoder().state_dict(), "tiny")
