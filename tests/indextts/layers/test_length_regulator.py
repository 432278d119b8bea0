from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.indextts.goldens import arrays, assert_close, needs_goldens
from tests.indextts.layers.s2mel_models import golden_config, golden_model, small_model


def test_rows_are_as_alone_and_short_rows_of_a_batch_are_not() -> None:
    regulator = small_model().length_regulator
    features = [torch.randn(length, 12) for length in (9, 4, 1)]
    frames = [15, 7, 3]
    rows = regulator.rows(features, frames)
    for row, feature, count in zip(rows, features, frames, strict=True):
        assert_close(row, regulator(feature[None], torch.tensor([count]))[0], 1e-6)
    batch = regulator(torch.stack([features[0], features[0]]), torch.tensor([15, 7]))
    assert_close(batch[0], rows[0], 1e-5)
    assert batch[1, 7:].abs().max() == 0
    assert (batch[1, :7] - regulator.rows(features[:1], [7])[0]).abs().max() > 1e-3


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
def test_golden_single_and_batch(tmp_path: Path) -> None:
    regulator = golden_model(golden_config("config.json"), tmp_path).length_regulator
    front = arrays("s2mel/front.npz")
    frames = int(front["target_length"])
    assert_close(regulator.resize(front["S_infer"], frames), front["lr_interp"], 2e-5)
    cond = regulator(front["S_infer"], front["target_length"])
    assert_close(cond, front["cond"], 2e-5)
    assert_close(regulator.rows([front["S_infer"][0]], [frames])[0], front["cond"][0], 2e-5)
    prompt = regulator(front["S_ref"], front["ref_target_length"][None])
    assert_close(prompt, front["prompt_condition"], 2e-5)
    batch = arrays("s2mel/length_regulator_batch.npz")
    assert_close(regulator(batch["x"], batch["ylens"]), batch["out"], 2e-5)
