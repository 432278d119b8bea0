"""The speaker encoder's layers."""

from __future__ import annotations

import json
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from indextts.config import StyleEncoderConfig
from indextts.layers.campplus import (
    CAMPPlus,
    ContextMask,
    FrozenBatchNorm,
    ResidualBlock,
    StatisticsPool,
)
from indextts.utils.checkpoint import load_into
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import SHARED, arrays, assert_close, needs_goldens, stand_ins

M = TypeVar("M", bound=nn.Module)

OFFICIAL = StyleEncoderConfig(dim=192)
TINY = StyleEncoderConfig(
    dim=6,
    feat_dim=16,
    growth_rate=4,
    bn_size=2,
    init_channels=8,
    head_channels=2,
    block_layers=(2, 3),
    block_dilations=(1, 2),
    segment_frames=5,
)


def official_shapes() -> dict[str, list[int]]:
    table: dict[str, list[int]] = json.loads((SHARED / "spec/keys/campplus.json").read_text())
    return {key: shape for key, shape in table.items() if not key.endswith("num_batches_tracked")}


@pytest.fixture(scope="module")
def official() -> CAMPPlus:
    with skeleton():
        module = CAMPPlus(OFFICIAL)
    load_into(module, stand_ins(official_shapes()), "stand-ins")
    return module


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def randomise(module: M) -> M:
    generator = torch.Generator().manual_seed(11)
    for key, value in module.state_dict().items():
        value.copy_(0.3 * torch.randn(value.shape, generator=generator))
        if key.endswith("running_var"):
            value.abs_().add_(0.5)
    return module.requires_grad_(False).eval()


@needs_goldens
def test_golden_steps(official: CAMPPlus) -> None:
    golden = arrays("campplus/campplus_voice01.npz")
    features = golden["feat"][None]
    head = official.head(features.transpose(1, 2))
    assert_close(head[..., :20], golden["head_out_first20"], atol=1e-5)
    tdnn = official.xvector.get_submodule("tdnn")(head)
    assert_close(tdnn, golden["tdnn_out"], atol=1e-5)
    first = official.xvector.get_submodule("block1.tdnnd1")(tdnn)
    assert_close(first, golden["block1_tdnnd1_out"], atol=1e-5)
    x = head
    for name, step in official.xvector.named_children():
        x = step(x)
        if f"{name}_out_first20" in golden:
            assert_close(x[..., :20], golden[f"{name}_out_first20"], atol=1e-5)
        elif f"{name}_out" in golden:
            assert_close(x, golden[f"{name}_out"], atol=1e-5)
    assert_close(official(features), golden["embedding"], atol=1e-6)


@needs_goldens
def test_golden_further_embeddings(official: CAMPPlus) -> None:
    features = arrays("campplus/campplus_voice01.npz")["feat"]
    golden = arrays("campplus/campplus_extra.npz")
    assert_close(official(features[None, :61]), golden["embedding_first61"], atol=1e-6)
    random = np.random.RandomState(int(golden["rand_seed"])).standard_normal((2, 420, 80))
    embedding = official(torch.from_numpy(random.astype(np.float32)))
    assert_close(embedding, golden["embedding_rand_2x420"], atol=1e-6)


@needs_goldens
def test_official_keys_and_shapes() -> None:
    with skeleton():
        ours = CAMPPlus(OFFICIAL).state_dict()
    assert {key: list(value.shape) for key, value in ours.items()} == official_shapes()


def test_batch_norm_is_torchs() -> None:
    reference = randomise(nn.BatchNorm1d(4).eval())
    norm = FrozenBatchNorm(4)
    load_into(norm, reference.state_dict(), "reference")
    x = noise(2, 4, 7)
    assert_close(norm(x), reference(x), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_residual_block(stride: int) -> None:
    block = randomise(ResidualBlock(2, stride))
    x = noise(1, 2, 6, 5)
    y = block.bn2(block.conv2(block.bn1(block.conv1(x)).clamp(min=0)))
    if stride == 2:
        weight = block.shortcut.get_parameter("0.weight")[..., 0, 0]
        skipped = torch.einsum("oi,bift->boft", weight, x[:, :, ::2])
        expected = y + block.shortcut[1](skipped)
    else:
        expected = y + x
    assert block(x).shape == (1, 2, 6 // stride, 5)
    assert_close(block(x), expected.clamp(min=0), atol=1e-5)


@pytest.mark.parametrize("frames", [3, 5, 12])
def test_mask_averages_segments_over_their_real_length(frames: int) -> None:
    layer = randomise(ContextMask(TINY, 8, 2))
    x = noise(1, 8, frames)
    local = nn.functional.conv1d(x, layer.linear_local.weight, padding=2, dilation=2)
    for t in range(frames):
        start = t // 5 * 5
        context = x.mean(-1) + x[..., start : min(start + 5, frames)].mean(-1)
        inner = layer.linear1(context[..., None]).clamp(min=0)
        expected = local[..., t] * torch.sigmoid(layer.linear2(inner)[..., 0])
        assert_close(layer(x)[..., t], expected, atol=1e-5)


def test_pool_is_unbiased() -> None:
    x = torch.tensor([[[1.0, 2.0, 6.0]]])
    assert_close(StatisticsPool()(x), torch.tensor([[3.0, 7.0**0.5]]), atol=1e-6)


@pytest.mark.parametrize("frames", [3, 10, 41])
def test_other_dimensions(frames: int) -> None:
    module = randomise(CAMPPlus(TINY))
    features = noise(2, frames, 16)
    together = module(features)
    assert together.shape == (2, 6)
    assert torch.isfinite(together).all()
    assert_close(module(features[1:]), together[1:], atol=1e-5)
