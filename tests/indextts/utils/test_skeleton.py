from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from indextts.utils.skeleton import skeleton


def test_modules_have_shapes_and_no_values() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    with skeleton():
        module = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2), nn.LayerNorm(2))
        real = torch.ones(2, device="cpu")
    assert all(parameter.is_meta for parameter in module.parameters())
    assert [tuple(p.shape) for p in module[0].parameters()] == [(5, 3)]
    assert torch.equal(before, torch.random.get_rng_state())
    assert real.tolist() == [1.0, 1.0]
    # Outside everything is as ever.
    assert nn.Embedding(5, 3).weight.std() > 0


@pytest.mark.slow
def test_an_engine_starts_without_torchs_compiler(tiny_model_dir: Path) -> None:
    program = (
        "import sys; from indextts.infer_v2 import IndexTTS2; IndexTTS2(sys.argv[1], device='cpu');"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_model_dir)], timeout=120, check=False
    )
    assert done.returncode == 0
