"""``indextts check``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from indextts.cli import main
from indextts.cli.checksums import add_checksum
from indextts.cli.inspection import Finding, Status, inspect_model
from indextts.model_files import Part
from indextts.utils.download import part_path, sha256_of
from indextts.utils.file_shapes import read_shapes
from tests.indextts.cli.small_model import (
    write_config,
    write_json,
    write_model,
    write_qwen,
    write_vocabulary,
)
from tests.indextts.goldens import SHARED, needs_goldens


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "model"
    write_model(folder)
    return folder


@pytest.fixture
def model(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(sound, tmp_path / "model"))


def the_bad_one(model: Path, *, full: bool = False) -> Finding:
    (finding,) = (found for found in inspect_model(model, full=full) if not found.good)
    return finding


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def change_a_shape(path: Path) -> None:
    torch.save({key: torch.zeros(99) for key in read_shapes(path)}, path)


def test_a_gpu_that_cannot_be_used_is_told(
    sound: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indextts.stages.device.cuda_problem", lambda: "the driver is too old")
    assert main(["check", str(sound)]) == 0
    assert capsys.readouterr().out.endswith("the driver is too old\n")


def test_a_sound_directory(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings = inspect_model(sound)
    assert [found.status for found in findings] == [Status.OK] * 11 + [Status.ABSENT]
    assert main(["check", str(sound)]) == 0
    output = capsys.readouterr().out
    assert "in order" in output
    assert "hf_cache/bigvgan/bigvgan_generator.pt" in output


@pytest.mark.parametrize(
    ("name", "damage", "status", "part"),
    [
        ("gpt.pth", Path.unlink, Status.MISSING, Part.GPT),
        ("gpt.pth", cut, Status.TRUNCATED, Part.GPT),
        ("gpt.pth", change_a_shape, Status.WRONG_SHAPE, Part.GPT),
        ("s2mel.pth", empty, Status.TRUNCATED, Part.S2MEL),
        ("feat1.pt", cut, Status.TRUNCATED, Part.BASE),
        ("wav2vec2bert_stats.pt", change_a_shape, Status.WRONG_SHAPE, Part.BASE),
        ("bpe.model", empty, Status.TRUNCATED, Part.BASE),
        ("bpe.model", cut, Status.UNREADABLE, Part.BASE),
        ("hf_cache/w2v-bert-2.0/model.safetensors", cut, Status.TRUNCATED, Part.W2V_BERT),
        ("hf_cache/w2v-bert-2.0/config.json", Path.unlink, Status.MISSING, Part.W2V_BERT),
        ("hf_cache/w2v-bert-2.0/config.json", empty, Status.UNREADABLE, Part.W2V_BERT),
        ("hf_cache/semantic_codec_model.safetensors", cut, Status.TRUNCATED, Part.SEMANTIC_CODEC),
        ("hf_cache/campplus_cn_common.bin", Path.unlink, Status.MISSING, Part.CAMPPLUS),
        ("hf_cache/bigvgan/bigvgan_generator.pt", Path.unlink, Status.MISSING, Part.BIGVGAN),
        ("hf_cache/bigvgan/bigvgan_generator.pt", cut, Status.TRUNCATED, Part.BIGVGAN),
        ("config.yaml", Path.unlink, Status.MISSING, Part.BASE),
        ("config.yaml", empty, Status.UNREADABLE, Part.BASE),
    ],
)
def test_damage_is_found(
    model: Path,
    name: str,
    damage: Callable[[Path], None],
    status: Status,
    part: Part,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(model / name)
    found = the_bad_one(model)
    assert (found.status, found.part, found.path) == (status, part, model / name)
    assert found.detail
    force = "" if status is Status.MISSING else " --force"
    assert f"indextts download --dir {model} --only {part}{force}" in found.hint
    assert main(["check", str(model)]) == 1
    output = capsys.readouterr().out
    assert "1 problem" in output
    assert found.hint in output


def test_a_vocabulary_of_another_size(model: Path) -> None:
    write_vocabulary(model / "bpe.model", 36)
    found = the_bad_one(model)
    assert found.status is Status.WRONG_SHAPE
    assert "36 pieces" in found.detail


def test_a_companion_of_another_model(model: Path) -> None:
    write_json(model / "hf_cache/bigvgan/config.json", {"num_mels": "eight"})
    assert the_bad_one(model).status is Status.WRONG_SHAPE


def test_a_path_outside(model: Path) -> None:
    write_config(model, gpt_checkpoint="../gpt.pth")
    found = the_bad_one(model)
    assert found.path == model / "config.yaml"
    assert "gpt_checkpoint" in found.detail


def test_a_matrix_as_safetensors(model: Path) -> None:
    (model / "feat1.pt").unlink()
    save_file({"any": torch.zeros(8, 6)}, model / "feat1.safetensors")
    assert all(found.good for found in inspect_model(model))


def test_an_unfinished_download_is_mentioned(model: Path) -> None:
    (model / "gpt.pth").rename(part_path(model / "gpt.pth"))
    assert "unfinished download" in the_bad_one(model).hint


def test_some_parts_only(model: Path) -> None:
    (model / "gpt.pth").unlink()
    findings = inspect_model(model, (Part.S2MEL, Part.BIGVGAN))
    assert [found.part for found in findings] == [Part.S2MEL, Part.BIGVGAN]
    assert main(["check", str(model), "--only", "s2mel"]) == 0
    assert main(["check", str(model), "--only", "gpt"]) == 1


def test_hashes(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpt = model / "gpt.pth"
    add_checksum(model, gpt, sha256_of(gpt))
    assert main(["check", str(model), "--full"]) == 0
    output = capsys.readouterr().out
    assert output.count("hash matches") == 1
    assert "no recorded hash for 2 of 2" in output
    content = bytearray(gpt.read_bytes())
    content[len(content) // 2] ^= 1
    gpt.write_bytes(content)
    assert all(found.good for found in inspect_model(model))
    found = the_bad_one(model, full=True)
    assert (found.status, found.path) == (Status.WRONG_HASH, gpt)


def test_qwen(model: Path) -> None:
    folder = model / "qwen0.6bemo4-merge"
    write_qwen(folder)
    assert inspect_model(model, (Part.QWEN,))[0].status is Status.OK
    cut(folder / "model.safetensors")
    assert the_bad_one(model).status is Status.TRUNCATED
    (folder / "model.safetensors").unlink()
    assert the_bad_one(model).path == folder / "model.safetensors"
    save_file({"model.embed_tokens.weight": torch.zeros(9, 4)}, folder / "model.safetensors")
    assert the_bad_one(model).status is Status.WRONG_SHAPE
    write_json(folder / "config.json", [])
    assert the_bad_one(model).status is Status.UNREADABLE


def test_a_qwen_folder_in_pieces(model: Path) -> None:
    folder = model / "qwen0.6bemo4-merge"
    write_qwen(folder)
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    index = folder / "model.safetensors.index.json"
    write_json(index, {"weight_map": {"model.embed_tokens.weight": "one.safetensors"}})
    assert all(found.good for found in inspect_model(model))
    write_json(index, {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})
    assert the_bad_one(model).path == folder / "two.safetensors"


def test_no_such_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "absent")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("indextts: error: ")
    assert error.count("\n") == 1
    assert "indextts download --dir" in error


@needs_goldens
def test_the_official_small_files(tmp_path: Path) -> None:
    for name in ("config.yaml", "bpe.model", "feat1.pt", "feat2.pt", "wav2vec2bert_stats.pt"):
        shutil.copyfile(SHARED / "assets" / name, tmp_path / name)
    assert [found.status for found in inspect_model(tmp_path, (Part.BASE,))] == [Status.OK] * 5
