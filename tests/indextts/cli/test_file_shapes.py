"""Reading keys and shapes of checkpoints (utils/file_shapes.py)."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from indextts.errors import ModelFileError
from indextts.utils.file_shapes import TruncatedFileError, read_shapes

STATE = {"a.weight": torch.zeros(3, 4), "b": torch.zeros(200)}
SHAPES = {"a.weight": (3, 4), "b": (200,)}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "x.pth"
    torch.save(STATE, path)
    return path


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    save_file(STATE, path, metadata={"format": "pt"})
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    return path


def test_every_format(archive: Path, tensors: Path, old: Path) -> None:
    assert read_shapes(archive) == read_shapes(tensors) == read_shapes(old) == SHAPES


def test_wrappers_nesting_and_prefixes(tmp_path: Path) -> None:
    inner = {"module.x": torch.zeros(2), "note": "no tensor"}
    torch.save({"net": {"cfm": inner, "gpt_layer": {"0.bias": torch.zeros(1)}}}, tmp_path / "x.pt")
    expected = {"cfm.x": (2,), "gpt_layer.0.bias": (1,)}
    assert read_shapes(tmp_path / "x.pt", unwrap=("net", "absent")) == expected


def test_weight_norm_counts_as_the_plain_weight(tmp_path: Path) -> None:
    torch.save({"a.weight_g": torch.zeros(3, 1), "a.weight_v": torch.zeros(3, 5)}, tmp_path / "x")
    assert read_shapes(tmp_path / "x") == {"a.weight": (3, 5)}


def test_a_bare_tensor(tmp_path: Path) -> None:
    torch.save(torch.zeros(7, 2), tmp_path / "x.pt")
    assert read_shapes(tmp_path / "x.pt") == {"": (7, 2)}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("name", ["archive", "tensors"])
def test_cut_files(request: pytest.FixtureRequest, name: str, share: float) -> None:
    path: Path = request.getfixturevalue(name)
    content = path.read_bytes()
    path.write_bytes(content[: max(int(len(content) * share), 2 if share else 0)])
    with pytest.raises(TruncatedFileError):
        read_shapes(path)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_cut_files_of_the_old_format(old: Path, share: float) -> None:
    content = old.read_bytes()
    old.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelFileError):
        read_shapes(old)


def test_one_byte_too_many(tensors: Path) -> None:
    tensors.write_bytes(tensors.read_bytes() + b"x")
    with pytest.raises(ModelFileError, match="its header says"):
        read_shapes(tensors)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"neither one nor the other", "is not a"),
        (struct.pack("<Q", 2) + b"[]", "is not a"),
        (struct.pack("<Q", 10) + b'{"a":  {}}', "is not a"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, suffix: str, content: bytes, message: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_shapes(path)


def test_nothing_of_use(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(ModelFileError, match="no tensors"):
        read_shapes(tmp_path / "x.pt")
    with pytest.raises(ModelFileError, match="missing"):
        read_shapes(tmp_path / "absent.pt")


def test_tensors_are_not_read(tmp_path: Path) -> None:
    """A header that promises a terabyte is believed as soon as the file is that long."""
    header = {"x": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}}
    raw = json.dumps(header).encode()
    path = tmp_path / "sparse.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + (1 << 40))
    assert read_shapes(path) == {"x": (1 << 38,)}
