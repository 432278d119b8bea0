from __future__ import annotations

import os
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from indextts import model_files
from indextts.config import ModelConfig
from indextts.errors import ConfigError, ModelFileError
from indextts.model_files import (
    MODEL_DIRS,
    ModelFiles,
    find_model_dir,
    hub_snapshot,
    resolve_model_files,
)
from tests.indextts.cli.small_model import write_config

OFFICIAL = (
    "bpe.model",
    "gpt.pth",
    "s2mel.pth",
    "wav2vec2bert_stats.pt",
    "feat1.pt",
    "feat2.pt",
    "hf_cache/w2v-bert-2.0/config.json",
    "hf_cache/w2v-bert-2.0/model.safetensors",
    "hf_cache/semantic_codec_model.safetensors",
    "hf_cache/campplus_cn_common.bin",
    "hf_cache/bigvgan/config.json",
    "hf_cache/bigvgan/bigvgan_generator.pt",
)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.fixture
def config(tmp_path: Path) -> ModelConfig:
    return write_config(tmp_path)


def test_official_layout(tmp_path: Path, config: ModelConfig) -> None:
    touch(tmp_path, *OFFICIAL)
    files = resolve_model_files(tmp_path, config)
    assert files == ModelFiles(
        config=tmp_path / "config.yaml",
        bpe=tmp_path / "bpe.model",
        phonemes=None,
        gpt=tmp_path / "gpt.pth",
        s2mel=tmp_path / "s2mel.pth",
        w2v_stat=tmp_path / "wav2vec2bert_stats.pt",
        emo_matrix=tmp_path / "feat2.pt",
        spk_matrix=tmp_path / "feat1.pt",
        w2v_bert=tmp_path / "hf_cache/w2v-bert-2.0",
        semantic_codec=tmp_path / "hf_cache/semantic_codec_model.safetensors",
        campplus=tmp_path / "hf_cache/campplus_cn_common.bin",
        bigvgan_config=tmp_path / "hf_cache/bigvgan/config.json",
        bigvgan_checkpoint=tmp_path / "hf_cache/bigvgan/bigvgan_generator.pt",
        qwen=None,
        glossary=None,
    )


def test_optional_files_are_found(tmp_path: Path, config: ModelConfig) -> None:
    touch(tmp_path, *OFFICIAL, "glossary.yaml", "qwen0.6bemo4-merge/config.json")
    files = resolve_model_files(tmp_path, config)
    assert files.qwen == tmp_path / "qwen0.6bemo4-merge"
    assert files.glossary == tmp_path / "glossary.yaml"


def test_flat_layout(tmp_path: Path, config: ModelConfig) -> None:
    touch(
        tmp_path,
        *(name for name in OFFICIAL if not name.startswith("hf_cache")),
        "w2v-bert-2.0/config.json",
        "w2v-bert-2.0/model.safetensors",
        "semantic_codec/model.safetensors",
        "campplus_cn_common.bin",
        "bigvgan/config.json",
        "bigvgan/bigvgan_generator.pt",
    )
    files = resolve_model_files(tmp_path, config)
    assert files.w2v_bert == tmp_path / "w2v-bert-2.0"
    assert files.semantic_codec == tmp_path / "semantic_codec/model.safetensors"
    assert files.campplus == tmp_path / "campplus_cn_common.bin"
    assert files.bigvgan_checkpoint == tmp_path / "bigvgan/bigvgan_generator.pt"


def test_safetensors_stand_in_for_every_pickle(tmp_path: Path, config: ModelConfig) -> None:
    pickles = (".pth", ".pt", ".bin")
    names = [
        str(Path(name).with_suffix(".safetensors")) if Path(name).suffix in pickles else name
        for name in OFFICIAL
    ]
    touch(tmp_path, *names)
    files = resolve_model_files(tmp_path, config)
    resolved = [getattr(files, field.name) for field in fields(files)]
    assert sum(path is not None and path.suffix == ".safetensors" for path in resolved) == 8
    (tmp_path / "hf_cache/campplus_cn_common.safetensors").unlink()
    touch(tmp_path, "campplus.safetensors")
    assert resolve_model_files(tmp_path, config).campplus == tmp_path / "campplus.safetensors"


def test_the_named_file_comes_before_its_stand_in(tmp_path: Path, config: ModelConfig) -> None:
    touch(tmp_path, *OFFICIAL, "gpt.safetensors")
    assert resolve_model_files(tmp_path, config).gpt.name == "gpt.pth"


def test_hub_layout(tmp_path: Path, config: ModelConfig) -> None:
    touch(tmp_path, *(name for name in OFFICIAL if not name.startswith("hf_cache")))
    snapshots = {
        "models--facebook--w2v-bert-2.0": ("config.json", "model.safetensors"),
        "models--amphion--MaskGCT": ("semantic_codec/model.safetensors",),
        "models--funasr--campplus": ("campplus_cn_common.bin",),
        "models--nvidia--bigvgan_v2_22khz_80band_256x": ("config.json", "bigvgan_generator.pt"),
    }
    for repository, names in snapshots.items():
        touch(tmp_path / "hf_cache" / repository / "snapshots" / "abc", *names)
    files = resolve_model_files(tmp_path, config)
    cache = tmp_path / "hf_cache"
    assert files.w2v_bert == cache / "models--facebook--w2v-bert-2.0/snapshots/abc"
    assert files.semantic_codec.is_relative_to(cache / "models--amphion--MaskGCT")
    assert files.bigvgan_config.parent == files.bigvgan_checkpoint.parent


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("old\n", "old"), ("gone", "new"), ("../../elsewhere", "new"), (None, "new")],
)
def test_which_snapshot(tmp_path: Path, reference: str | None, expected: str) -> None:
    folder = tmp_path / "models--a--b"
    for age, name in enumerate(("new", "old")):
        (folder / "snapshots" / name).mkdir(parents=True)
        os.utime(folder / "snapshots" / name, (1000 - age, 1000 - age))
    (tmp_path / "models--a--b" / "elsewhere").mkdir()
    if reference is not None:
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(reference)
    assert hub_snapshot(tmp_path, "a/b") == folder / "snapshots" / expected


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_missing_file_is_named(tmp_path: Path, config: ModelConfig, name: str) -> None:
    touch(tmp_path, *OFFICIAL)
    (tmp_path / name).unlink()
    with pytest.raises(ModelFileError) as caught:
        resolve_model_files(tmp_path, config)
    assert caught.value.path == tmp_path / name
    assert name in caught.value.problem
    assert f"indextts download --dir {tmp_path}" in str(caught.value)


def test_every_place_is_listed(tmp_path: Path, config: ModelConfig) -> None:
    touch(tmp_path, *OFFICIAL)
    shutil.rmtree(tmp_path / "hf_cache")
    touch(tmp_path, *(name for name in OFFICIAL if "w2v-bert" in name))
    with pytest.raises(ModelFileError) as caught:
        resolve_model_files(tmp_path, config)
    for place in (
        "hf_cache/semantic_codec_model.safetensors",
        "semantic_codec/model.safetensors",
        "hf_cache/models--amphion--MaskGCT/snapshots/HASH/semantic_codec/model.safetensors",
    ):
        assert place in str(caught.value)


def test_half_a_folder_is_no_choice(tmp_path: Path, config: ModelConfig) -> None:
    """Files of two copies of a model are never mixed."""
    touch(tmp_path, *OFFICIAL, "bigvgan/bigvgan_generator.pt")
    (tmp_path / "hf_cache/bigvgan/bigvgan_generator.pt").unlink()
    with pytest.raises(ModelFileError, match="bigvgan_generator"):
        resolve_model_files(tmp_path, config)


@pytest.mark.parametrize(
    "value", ["/etc/passwd", "../gpt.pth", "a/../../b", "", ".", "C:\\x.pth", "..\\x", "a\0b"]
)
@pytest.mark.parametrize("key", ["gpt_checkpoint", "w2v_stat", "qwen_emo_path"])
def test_paths_outside_are_refused(
    tmp_path: Path, config: ModelConfig, key: str, value: str
) -> None:
    touch(tmp_path, *OFFICIAL)
    changes: dict[str, Any] = {key: value}
    with pytest.raises(ConfigError, match=key):
        resolve_model_files(tmp_path, replace(config, **changes))


def test_vocoder_name_cannot_lead_outside(tmp_path: Path, config: ModelConfig) -> None:
    touch(tmp_path, *OFFICIAL)
    vocoder = replace(config.vocoder, name="../../x")
    with pytest.raises(ConfigError, match=r"vocoder\.name"):
        resolve_model_files(tmp_path, replace(config, vocoder=vocoder))


def test_a_file_in_a_subfolder_is_allowed(tmp_path: Path, config: ModelConfig) -> None:
    touch(tmp_path, *OFFICIAL, "weights/gpt.safetensors")
    changed = replace(config, gpt_checkpoint="weights/gpt.safetensors")
    assert resolve_model_files(tmp_path, changed).gpt == tmp_path / "weights/gpt.safetensors"


def test_the_official_model_comes_before_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_files, "HOME", tmp_path / "nowhere")
    official, demo = MODEL_DIRS
    assert find_model_dir() == official
    for folder in (demo, official):
        folder.mkdir(parents=True)
        assert find_model_dir() != folder
        (folder / "config.yaml").touch()
        assert find_model_dir() == folder


def test_a_model_beside_the_package_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(model_files, "HOME", home)
    official, demo = MODEL_DIRS
    touch(home, "models/demo/config.yaml")
    assert find_model_dir() == home / demo
    touch(here, "models/demo/config.yaml")
    assert find_model_dir() == demo
    # The official one wins wherever it is.
    touch(home, "models/IndexTTS/config.yaml")
    assert find_model_dir() == home / official


def test_the_folder_around_a_model_will_do(tmp_path: Path) -> None:
    assert find_model_dir("elsewhere") == Path("elsewhere")
    assert find_model_dir(tmp_path) == tmp_path
    for name in ("demo", "IndexTTS", "."):
        touch(tmp_path / name, "config.yaml")
        assert find_model_dir(str(tmp_path)) == tmp_path / name


def test_this_checkout_brings_the_demonstration_model() -> None:
    assert (model_files.HOME / MODEL_DIRS[1] / "config.yaml").is_file()
