"""The semantic codec's layers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from indextts.config import SemanticCodecConfig
from indextts.errors import GenerationError
from indextts.layers.rep_codec import ConvNeXtBlock, FactorizedCodebook, RepCodec
from indextts.utils.checkpoint import fold_weight_norm, load_into
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import (
    SHARED,
    arrays,
    assert_close,
    json_file,
    needs_goldens,
    stand_ins,
)

OFFICIAL = SemanticCodecConfig(8192, 1024, 8, 384, 2048, 12)
TINY = SemanticCodecConfig(32, 12, 4, 8, 16, 2)


def key_table(config: SemanticCodecConfig) -> dict[str, list[int]]:
    """Key -> shape as in the file: the projections are weight-normed there."""
    with skeleton():
        state = RepCodec(config).state_dict()
    table = {key: list(value.shape) for key, value in state.items()}
    for key in [key for key in table if key.endswith("_project.weight")]:
        shape = table.pop(key)
        table[f"{key}_g"] = [shape[0], 1, 1]
        table[f"{key}_v"] = shape
    return table


def golden_codec(config: SemanticCodecConfig) -> RepCodec:
    with skeleton():
        codec = RepCodec(config)
    load_into(codec, fold_weight_norm(stand_ins(key_table(config)), "stand-ins"), "stand-ins")
    return codec


def random_codec(config: SemanticCodecConfig = TINY) -> RepCodec:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        codec = RepCodec(config)
        for parameter in codec.parameters():
            nn.init.normal_(parameter, std=0.4)
    return codec.requires_grad_(False).eval()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@needs_goldens
def test_golden_tiny_steps() -> None:
    golden = arrays("codec/codec_tiny.npz")
    codec = golden_codec(SemanticCodecConfig(**json_file("codec/config.json")["semantic_codec"]))
    backbone, linear = codec.encoder
    embedded = backbone.get_submodule("embed")(golden["x"].transpose(1, 2))
    assert_close(embedded, golden["embed_out"], atol=2e-5)
    normed = backbone.get_submodule("norm")(embedded.transpose(1, 2)).transpose(1, 2)
    block = backbone.get_submodule("convnext.0")
    assert_close(block(normed), golden["block0_out"], atol=2e-5)
    hidden = backbone(golden["x"])
    assert_close(hidden, golden["backbone_out"], atol=2e-5)
    assert_close(linear(hidden), golden["encoder_out"], atol=2e-5)
    narrow = codec.quantizer.codebook.in_project(linear(hidden).transpose(1, 2))
    assert_close(narrow, golden["z_e"], atol=2e-5)


@needs_goldens
@pytest.mark.parametrize("name", ["codec_tiny", "codec_official_dims"])
def test_golden_quantize_and_embed(name: str) -> None:
    golden = arrays(f"codec/{name}.npz")
    tiny = SemanticCodecConfig(**json_file("codec/config.json")["semantic_codec"])
    codec = golden_codec(tiny if name == "codec_tiny" else OFFICIAL)
    codes, embedding = codec.quantize(golden["x"])
    assert torch.equal(codes, golden["indices"])
    assert_close(embedding, golden["S_ref"], atol=2e-5)
    assert_close(codec.embed(golden["codes"]).transpose(1, 2), golden["vq2emb"], atol=2e-5)


@needs_goldens
def test_official_keys_and_shapes() -> None:
    table = json.loads((SHARED / "spec/keys/semantic_codec.json").read_text())
    assert key_table(OFFICIAL) == {
        key: shape for key, shape in table.items() if not key.startswith("decoder.")
    }


def test_block_by_definition() -> None:
    block = ConvNeXtBlock(4, 6).requires_grad_(False)
    block.gamma.copy_(noise(4, seed=9))
    x = noise(1, 4, 10)
    padded = nn.functional.pad(x, (3, 3))
    expected = torch.empty(1, 4, 10)
    for t in range(10):
        y = torch.stack(
            [(padded[0, c, t : t + 7] * block.dwconv.weight[c, 0]).sum() for c in range(4)]
        )
        y = y + block.dwconv.get_parameter("bias")
        y = (y - y.mean()) / (y.var(correction=0) + 1e-6).sqrt() * block.norm.weight
        y = block.pwconv1(y + block.norm.bias)
        y = block.pwconv2(0.5 * y * (1 + torch.erf(y / 2**0.5)))
        expected[0, :, t] = x[0, :, t] + block.gamma * y
    assert_close(block(x), expected, atol=1e-5)


def test_search_finds_the_best_direction_and_the_first_of_equals() -> None:
    codebook = FactorizedCodebook(replace(TINY, hidden_size=4)).requires_grad_(False)
    entries = noise(32, 4)
    entries[20] = 3.0 * entries[5]  # the same direction: a tie
    codebook.codebook.weight.copy_(entries)
    hidden = noise(1, 4, 50, seed=1)
    hidden[0, :, 0] = 0.1 * entries[20]
    hidden[0, :, 1] = 0.0
    codes = codebook.search(hidden)
    cosine = nn.functional.cosine_similarity(hidden[0].T[:, None], entries[None], dim=-1)
    assert codes.dtype == torch.int64
    assert int(codes[0, 0]) == 5
    assert codes[0, 2:].tolist() == cosine[2:].argmax(-1).tolist()
    # Without projections the entry comes back as it is stored, not normalised.
    assert torch.equal(codebook.lookup(codes)[0].T, entries[codes[0]])


def test_embed_is_what_quantize_returned() -> None:
    codec = random_codec()
    codes, embedding = codec.quantize(noise(2, 15, 12))
    assert codes.shape == (2, 15)
    assert embedding.shape == (2, 15, 12)
    assert torch.equal(codec.embed(codes), embedding)
    assert len(codes.unique()) > 1
    alone = codec.embed(codes[1:])
    assert_close(alone, embedding[1:], atol=1e-6)


@pytest.mark.parametrize("stranger", [32, 33, -1])
def test_tokens_that_are_no_codes_are_refused(stranger: int) -> None:
    codes = torch.tensor([[1, 2, stranger]])
    with pytest.raises(GenerationError, match="the codebook has 32 entries"):
        random_codec().embed(codes)


def test_no_codes_are_refused() -> None:
    with pytest.raises(GenerationError, match="no codes"):
        random_codec().embed(torch.zeros(1, 0, dtype=torch.int64))
