"""Loading and running the speaker encoder."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from indextts.config import StyleEncoderConfig
from indextts.errors import AudioError, ModelFileError
from indextts.layers.campplus import CAMPPlus
from indextts.stages.speaker_style import load_speaker_style
from indextts.utils.fbank import kaldi_fbank
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import SHARED, arrays, assert_close, needs_goldens, stand_ins

TINY = StyleEncoderConfig(
    dim=6,
    feat_dim=16,
    growth_rate=4,
    bn_size=2,
    init_channels=8,
    head_channels=2,
    block_layers=(2, 3),
    block_dilations=(1, 2),
)


def state(config: StyleEncoderConfig = TINY) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    with skeleton():
        shapes = CAMPPlus(config).state_dict()
    values = {
        key: torch.randn(value.shape, generator=generator) / max(1, value[:1].numel()) ** 0.5
        for key, value in shapes.items()
    }
    for key in [key for key in values if key.endswith("running_var")]:
        values[key] = 1.0 + values[key].abs()
    return values


def noise(samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))


@needs_goldens
def test_golden_embedding_from_the_official_kind_of_file(tmp_path: Path) -> None:
    shapes = json.loads((SHARED / "spec/keys/campplus.json").read_text())
    path = tmp_path / "campplus_cn_common.bin"
    torch.save(stand_ins(shapes), path)
    stage = load_speaker_style(path, StyleEncoderConfig(dim=192), "cpu")
    golden = arrays("campplus/campplus_voice01.npz")
    # The features of near-silent bins may differ by 7e-4 (README); the network itself is
    # held to 1e-6 in tests/indextts/layers/test_campplus.py.
    assert_close(stage(golden["wav16k"]), golden["embedding"], atol=1e-5)


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_style_is_the_network_of_centred_features(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"campplus{suffix}"
    save_file(state(), path) if suffix == ".safetensors" else torch.save(state(), path)
    stage = load_speaker_style(path, TINY, torch.device("cpu"))
    wave = noise(9000)
    fbank = kaldi_fbank(wave, 16)
    style = stage(wave)
    assert style.shape == (1, 6)
    assert_close(style, stage.encoder((fbank - fbank.mean(0))[None]), atol=1e-6)
    # Loudness is taken out with the mean.
    assert_close(stage(0.5 * wave), style, atol=1e-4)


def test_unusable_files(tmp_path: Path) -> None:
    path = tmp_path / "campplus_cn_common.bin"
    with pytest.raises(ModelFileError, match="is missing"):
        load_speaker_style(path, TINY, "cpu")
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ModelFileError, match=r"campplus_cn_common\.bin"):
        load_speaker_style(path, TINY, "cpu")
    torch.save(state(), path)
    with pytest.raises(ModelFileError, match=r"dense.linear.weight' has shape"):
        load_speaker_style(path, replace(TINY, dim=7), "cpu")
    without = state()
    del without["xvector.block2.tdnnd3.nonlinear1.batchnorm.running_var"]
    torch.save(without, path)
    with pytest.raises(ModelFileError, match=r"tdnnd3\.nonlinear1\.batchnorm\.running_var"):
        load_speaker_style(path, TINY, "cpu")


def test_shortest_clip(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "c.bin")
    stage = load_speaker_style(tmp_path / "c.bin", TINY, "cpu")
    assert torch.isfinite(stage(noise(720))).all()
    for samples in (719, 399):
        with pytest.raises(AudioError, match="too short"):
            stage(noise(samples))


def test_threads_share_a_stage(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "c.bin")
    stage = load_speaker_style(tmp_path / "c.bin", TINY, "cpu")
    waves = [noise(3000 + 777 * index, seed=index) for index in range(8)]
    alone = [stage(wave) for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        for result, expected in zip(pool.map(stage, waves), alone, strict=True):
            assert_close(result, expected, atol=1e-6)
