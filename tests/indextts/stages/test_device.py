from __future__ import annotations

from pathlib import Path

import pytest
import torch

from indextts.errors import ConfigError
from indextts.stages.device import (
    choose_device,
    choose_encoders,
    cuda_problem,
    set_cuda_arithmetic,
)
from tests.indextts.pretend_cuda import PretendCuda

OLD = "The NVIDIA driver on your system is too old (found version 12020)."


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise RuntimeError(OLD)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)


@pytest.fixture
def device_files(tmp_path: Path) -> Path:
    for name in ("nvidia0", "nvidiactl", "null"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.usefixtures("old_driver")
def test_a_gpu_that_cannot_be_used_is_told_with_the_reason(device_files: Path) -> None:
    assert OLD in cuda_problem({}, device_files)
    assert OLD in cuda_problem({"CUDA_VISIBLE_DEVICES": "0"}, device_files / "none")
    assert cuda_problem({"CUDA_VISIBLE_DEVICES": ""}, device_files) == ""
    assert cuda_problem({"CUDA_VISIBLE_DEVICES": "-1"}, device_files) == ""
    assert cuda_problem({}, device_files / "none") == ""
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match="too old"):
        choose_device("cuda:0")


@pytest.mark.parametrize("name", ["meta", "mps", "xla", "gpu", "", "cuda:-1"])
def test_other_devices_are_refused_with_those_that_can_be_used(name: str) -> None:
    with pytest.raises(ConfigError, match="use auto, cpu, cuda, or cuda:N"):
        choose_device(name)


def test_a_gpu_that_works_is_no_problem(device_files: Path) -> None:
    with PretendCuda(devices=2):
        assert cuda_problem({}, device_files) == ""
        assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 0)
        assert choose_device("cuda:1") == torch.device("cuda", 1)
        with pytest.raises(ConfigError, match="GPU 0 to 1"):
            choose_device("cuda:2")


@pytest.mark.parametrize("tf32", [True, False])
def test_sums_stay_exact_and_tf32_is_as_asked(tf32: bool) -> None:
    with PretendCuda():
        set_cuda_arithmetic(tf32=tf32)
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (tf32, tf32)
        assert not matmul.allow_fp16_reduced_precision_reduction
        assert not matmul.allow_bf16_reduced_precision_reduction


def test_clips_are_read_on_the_cpu_where_asked_or_where_memory_is_short() -> None:
    cpu = torch.device("cpu")
    with PretendCuda(devices=2):
        gpu = torch.device("cuda", 1)
        free, _ = torch.cuda.mem_get_info(gpu)
        assert choose_encoders("auto", gpu, free) == gpu
        assert choose_encoders("auto", gpu, free + 1) == cpu
        assert choose_encoders("same", gpu, free + 1) == gpu
        assert choose_encoders("cpu", gpu, 0) == cpu
    assert {choose_encoders(name, cpu, 0) for name in ("auto", "same", "cpu")} == {cpu}
    with pytest.raises(ConfigError, match="auto, same, cpu"):
        choose_encoders("gpu", cpu, 0)
