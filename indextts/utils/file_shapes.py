"""Keys and shapes of a checkpoint, without reading its tensors.

Safetensors files say all this in their header; torch archives are opened memory-mapped.
Either way a file of gigabytes costs milliseconds, and a cut-off one is found.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from indextts.errors import ModelFileError
from indextts.utils.checkpoint import read_pickle

Shape = tuple[int, ...]

# The key of a file that holds one tensor and no mapping.
BARE_TENSOR = ""

# How torch.save began before version 1.6: a pickled magic number.
_OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_LARGEST_HEADER = 100_000_000


class TruncatedFileError(ModelFileError):
    """The file ends before its content does."""


def read_shapes(path: Path, *, unwrap: Iterable[str] = ()) -> dict[str, Shape]:
    """Key -> shape of every tensor in a checkpoint.

    Nested dictionaries are joined with dots; a data-parallel prefix ``module.`` is taken off;
    a pair ``weight_g``, ``weight_v`` is listed as the ``weight`` it stands for.

    Args:
        path: a ``.safetensors`` file, or anything ``torch.save`` wrote.
        unwrap: keys of wrapping dictionaries to open where they are present, outermost first.

    Raises:
        TruncatedFileError: the file is cut off.
        ModelFileError: missing, or not a checkpoint.
    """
    _refuse_what_is_no_checkpoint(path)
    if path.suffix == ".safetensors":
        return _without_weight_norm(read_safetensors_header(path))
    content = _read_torch_file(path)
    for key in unwrap:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    shapes: dict[str, Shape] = {}
    _collect(content, BARE_TENSOR, shapes)
    if not shapes:
        raise ModelFileError(path, f"holds no tensors but a {type(content).__name__}.")
    return _without_weight_norm(shapes)


def read_safetensors_header(path: Path) -> dict[str, Shape]:
    """Key -> shape, from the header alone; checks that the file is as long as it says.

    Raises:
        TruncatedFileError: the file is shorter than its header says.
        ModelFileError: the file is longer, or not safetensors.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise TruncatedFileError(path, f"has only {size} bytes.")
        (length,) = struct.unpack("<Q", start)
        if length > _LARGEST_HEADER:
            raise ModelFileError(path, "is not a safetensors file.")
        raw = file.read(length)
    if len(raw) < length:
        raise TruncatedFileError(path, "is cut off within its header.")
    try:
        header: dict[str, Any] = json.loads(raw)
        header.pop("__metadata__", None)
        shapes = {key: tuple(map(int, entry["shape"])) for key, entry in header.items()}
        end = 8 + length + max((int(e["data_offsets"][1]) for e in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelFileError(path, f"is not a safetensors file ({error}).") from error
    if size < end:
        raise TruncatedFileError(path, f"is cut off: {size:,} of {end:,} bytes.")
    if size > end:
        raise ModelFileError(path, f"has {size:,} bytes, its header says {end:,}.")
    return shapes


def _refuse_what_is_no_checkpoint(path: Path) -> None:
    if not path.is_file():
        raise ModelFileError(path, "is missing.")
    if path.stat().st_size == 0:
        raise TruncatedFileError(path, "is empty.")
    if _starts_with(path, b"version https://git-lfs"):
        raise ModelFileError(
            path,
            "is a git-lfs pointer, not the file itself.",
            "Run `git lfs pull` where it was cloned, or fetch it with: indextts download --force",
        )
    if _starts_with(path, b"<!DOCTYPE") or _starts_with(path, b"<html"):
        raise ModelFileError(path, "is a web page, not a checkpoint.")


def _read_torch_file(path: Path) -> Any:
    if _starts_with(path, b"PK"):
        if not zipfile.is_zipfile(path):
            raise TruncatedFileError(path, "is cut off: the archive has no end.")
    elif not _starts_with(path, _OLD_FORMAT):
        raise ModelFileError(path, "is not a checkpoint.")
    return read_pickle(path)


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _collect(content: object, name: str, shapes: dict[str, Shape]) -> None:
    if isinstance(content, Tensor):
        shapes[name] = tuple(content.shape)
    elif isinstance(content, Mapping):
        for key, value in content.items():
            inner = str(key).removeprefix("module.")
            _collect(value, f"{name}.{inner}" if name else inner, shapes)


def _without_weight_norm(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    return {
        f"{key.removesuffix('_v')}" if key.endswith(".weight_v") else key: shape
        for key, shape in shapes.items()
        if not key.endswith(".weight_g")
    }
