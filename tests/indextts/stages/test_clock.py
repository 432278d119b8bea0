from __future__ import annotations

import time

import pytest
import torch

from indextts.stages.clock import StageClock
from tests.indextts.pretend_cuda import PretendCuda


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_stages_add_up_without_a_device_wide_wait(device: str) -> None:
    with PretendCuda(devices=2) as gpu:
        clock = StageClock(torch.device(device))
        for _ in range(2):
            with clock.stage("gpt"):
                time.sleep(0.01)
            with clock.stage("vocoder"):
                pass
        first, second = clock.seconds(), clock.seconds()
    assert first == second
    assert first.gpt >= 0.02 > first.vocoder > 0
    assert first.s2mel == 0
    assert not gpu.device_waits


def test_a_failing_stage_hands_on_its_error() -> None:
    clock = StageClock(torch.device("cpu"))
    with pytest.raises(RuntimeError, match="out of memory"), clock.stage("gpt"):
        raise RuntimeError("out of memory")
