"""Access to the reference goldens, which lie beside a checkout of the maintainers and of CI.

Tests that need them skip where they are absent: the product never depends on them.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

SHARED = Path(
    os.environ.get("INDEXTTS_TEST_SHARED", Path(__file__).resolve().parents[3] / "shared")
)
GOLDENS = SHARED / "goldens"

needs_goldens = pytest.mark.skipif(
    not GOLDENS.is_dir(), reason=f"reference goldens are not here ({GOLDENS})"
)


@functools.cache
def _weights() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_weights", GOLDENS / "weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _drawn(key: str, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(_weights().tensor_for(key, shape))


def stand_in(key: str, shape: tuple[int, ...]) -> Tensor:
    """The stand-in weight of a state-dict key (goldens/weights.py), a copy of one's own."""
    return _drawn(key, tuple(shape)).clone()


def stand_ins(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Stand-in weights for a table key -> shape."""
    return {key: stand_in(key, tuple(shape)) for key, shape in shapes.items()}


def arrays(name: str) -> dict[str, Tensor]:
    """All arrays of an .npz (or .safetensors) golden; float16 comes back as float32."""
    path = GOLDENS / name
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    with np.load(path) as file:
        loaded = {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}
    return {
        key: value.float() if value.dtype == torch.float16 else value
        for key, value in loaded.items()
    }


def json_file(name: str) -> Any:
    return json.loads((GOLDENS / name).read_text(encoding="utf-8"))


def assert_close(actual: Tensor, expected: Tensor, atol: float, rtol: float = 0.0) -> None:
    """Equal shapes, and no element further off than atol + rtol * |expected|."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} != {tuple(expected.shape)}"
    torch.testing.assert_close(actual.double(), expected.double(), atol=atol, rtol=rtol)
