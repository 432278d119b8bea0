from __future__ import annotations

from pathlib import Path

import pytest

from app.gunicorn.gpu_slots import free_slot, gpu_list, gpu_of_slot


@pytest.mark.parametrize(
    ("used", "workers", "slot"),
    [([], 2, 0), ([0], 2, 1), ([1], 2, 0), ([0, 2], 3, 1), ([0, 1], 2, 0), ([0, 1, 0], 2, 1)],
)
def test_the_lowest_free_slot(used: list[int], workers: int, slot: int) -> None:
    assert free_slot(used, workers) == slot


def test_where_the_gpus_come_from(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia4", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpu_list(("5",), {"CUDA_VISIBLE_DEVICES": "0"}, tmp_path) == ("5",)
    assert gpu_list((), {"CUDA_VISIBLE_DEVICES": "2, GPU-ab"}, tmp_path) == ("2", "GPU-ab")
    assert gpu_list((), {"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == ()
    assert gpu_list((), {}, tmp_path) == ("0", "1")
    assert gpu_list((), {}, tmp_path / "none") == ()


def test_slots_share_gpus() -> None:
    assert [gpu_of_slot(slot, ("a", "b")) for slot in range(3)] == ["a", "b", "a"]
    assert gpu_of_slot(0, ()) is None
