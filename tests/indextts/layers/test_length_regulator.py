from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.indextts.goldens import arrays, assert_close, needs_goldens
from tests.indextts.layers.s2mel_models import golden_config, golden_model, small_model


def test_rows_are_as_alone() -> None:
    regulator = small_model().length_regulator
    features = [torch.randn(length, 12) for length in (9, 4, 1)]
    rows = regulator.rows(features, [15, 7, 3])
    assert [row.shape[0] for row in rows] == [15, 7, 3]
    for row, feature in zip(rows, features, strict=True):
        assert_close(row, regulator.rows([feature], [len(row)])[0], 1e-6)


def test_resize_picks_frames_with_float32_rounding() -> None:
    regulator = small_model().length_regulator
    x = torch.randn(1, 26, 12)
    exact = [min(j * 26 // 44, 25) for j in range(44)]
    resized = regulator.resize(x, 44)
    projected = regulator.content_in_proj(x).transpose(1, 2)
    assert torch.equal(resized, F.interpolate(projected, size=44, mode="nearest"))
    assert not torch.equal(resized, projected[:, :, exact])


@needs_goldens
@pytest.mark.parametrize("pair", [(26, 44), (64, 110), (70, 120), (500, 860)])
def test_golden_nearest(pair: tuple[int, int]) -> None:
    source, target = pair
    regulator = small_model().length_regulator
    with torch.no_grad():
        regulator.content_in_proj.weight.zero_()
        regulator.content_in_proj.weight[0, 0] = 1.0
        regulator.content_in_proj.bias.zero_()
    ramp = F.pad(torch.arange(source).float()[None, :, None], (0, 11))
    picked = regulator.resize(ramp, target)[0, 0]
    assert torch.equal(picked.long(), arrays("s2mel/nearest.npz")[f"idx_{source}_{target}"])


@needs_goldens
def test_golden(tmp_path: Path) -> None:
    regulator = golden_model(golden_config("config.json"), tmp_path).length_regulator
    front = arrays("s2mel/front.npz")
    frames = int(front["target_length"])
    assert_close(regulator.resize(front["S_infer"], frames), front["lr_interp"], 2e-5)
    assert_close(regulator.rows([front["S_infer"][0]], [frames])[0], front["cond"][0], 2e-5)
    (prompt,) = regulator.rows([front["S_ref"][0]], [int(front["ref_target_length"])])
    assert_close(prompt, front["prompt_condition"][0], 2e-5)
    # The longest row of a batch of the reference's is as alone.
    batch = arrays("s2mel/length_regulator_batch.npz")
    longest = int(batch["ylens"].argmax())
    (row,) = regulator.rows([batch["x"][longest]], [int(batch["ylens"][longest])])
    assert_close(row, batch["out"][longest], 2e-5)
