from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from indextts.utils.checkpoint import read_pickle, read_safetensors
from indextts.utils.mapped_pages import MappedPages

MAPS = Path("/proc/self/smaps")

pytestmark = pytest.mark.skipif(not MAPS.is_file(), reason="Linux only")


def resident(path: Path) -> int:
    """Bytes of a mapped file that are in this process's memory."""
    total, inside = 0, False
    for line in MAPS.read_text().splitlines():
        if "-" in line.split()[0]:
            inside = line.endswith(path.name)
        elif inside and line.startswith("Rss:"):
            total += 1024 * int(line.split()[1])
    return total


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_pages_of_a_file_go_and_come_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    values = torch.arange(2**20, dtype=torch.float32)
    if path.suffix == ".pt":
        torch.save({"a": values, "b": values.clone()}, path)
        state = read_pickle(path)
    else:
        save_file({"a": values, "b": values.clone()}, path)
        state = read_safetensors(path)
    assert state["a"].sum() == values.sum() == state["b"].sum()
    assert resident(path) >= 2 * values.nbytes
    pages = MappedPages()
    assert pages.let_go(state["a"]) >= values.nbytes - 2 * 4096
    assert resident(path) < 1.1 * values.nbytes
    assert torch.equal(state["a"], values)
    assert pages.let_go(state["a"].view(1024, 1024).t()) == 0, "no single stretch of memory"


def test_what_is_in_no_file_stays(tmp_path: Path) -> None:
    values = torch.arange(2**20, dtype=torch.float32)
    assert MappedPages().let_go(values) == 0
    assert torch.equal(values, torch.arange(2**20, dtype=torch.float32))
    nowhere = MappedPages(tmp_path / "maps")
    assert nowhere.let_go(values) == 0
