from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from indextts.errors import CancelledError
from indextts.layers.dit import DiTContext
from indextts.stages.flow_matching import FlowMatching
from tests.indextts.goldens import arrays, assert_close, needs_goldens
from tests.indextts.layers.s2mel_models import golden_config, golden_model, small_model


def sample(
    flow: FlowMatching,
    inputs: dict[str, Tensor],
    steps: int,
    guidance_rate: float,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    with torch.no_grad():
        return flow.sample(
            inputs["mu"],
            inputs["lengths"],
            inputs["prompt"],
            inputs["style"],
            inputs["noise"],
            steps=steps,
            guidance_rate=guidance_rate,
            on_step=on_step,
        )


def small_inputs(batch: int, frames: int) -> dict[str, Tensor]:
    torch.manual_seed(2)
    return {
        "mu": torch.randn(batch, frames, 16),
        "lengths": torch.tensor([frames] * batch),
        "prompt": torch.randn(1, 8, 3),
        "style": torch.randn(1, 6),
        "noise": torch.randn(batch, 8, frames),
    }


def plain_sampler(flow: FlowMatching, inputs: dict[str, Tensor], steps: int, rate: float) -> Tensor:
    """s2mel.md 3, to the letter, for one row."""
    mu, style, frames = inputs["mu"], inputs["style"], inputs["prompt"].shape[-1]
    prompt_x = torch.zeros_like(inputs["noise"])
    prompt_x[..., :frames] = inputs["prompt"]
    x = inputs["noise"].clone()
    x[..., :frames] = 0
    grid = torch.linspace(0, 1, steps + 1)
    t = grid[0]
    for k in range(1, steps + 1):
        dt = grid[k] - grid[k - 1]
        v = flow.estimator(x, prompt_x, inputs["lengths"], t[None], style, mu)
        if rate:
            zeros = (torch.zeros_like(prompt_x), torch.zeros_like(style), torch.zeros_like(mu))
            free = flow.estimator(x, zeros[0], inputs["lengths"], t[None], zeros[1], zeros[2])
            v = (1 + rate) * v - rate * free
        x = x + dt * v
        t = t + dt
        x[..., :frames] = 0
    return x


@pytest.mark.parametrize("rate", [0.0, 0.7])
def test_sampler_is_the_specified_loop(rate: float) -> None:
    flow, inputs = small_model().cfm, small_inputs(1, 11)
    noise = inputs["noise"].clone()
    out = sample(flow, inputs, steps=4, guidance_rate=rate)
    assert_close(out, plain_sampler(flow, inputs, 4, rate), 1e-5)
    assert out[..., :3].abs().max() == 0
    assert torch.equal(noise, inputs["noise"])


@pytest.mark.parametrize("rate", [0.0, 0.7])
def test_rows_of_a_batch_are_as_alone(rate: float) -> None:
    flow, inputs = small_model().cfm, small_inputs(4, 17)
    lengths = [17, 4, 9, 17]
    inputs["lengths"] = torch.tensor(lengths)
    batch = sample(flow, inputs, steps=5, guidance_rate=rate)
    for row, length in enumerate(lengths):
        own = dict(inputs)
        own["mu"] = inputs["mu"][row : row + 1, :length]
        own["noise"] = inputs["noise"][row : row + 1, :, :length]
        own["lengths"] = torch.tensor([length])
        alone = sample(flow, own, steps=5, guidance_rate=rate)
        assert_close(batch[row, :, :length], alone[0], 1e-5)
        assert batch[row, :, length:].abs().sum() == 0


def test_on_step_comes_before_each_step_and_may_end_the_work() -> None:
    flow, inputs = small_model().cfm, small_inputs(1, 6)
    seen: list[int] = []

    def stop(step: int) -> None:
        seen.append(step)
        if step == 2:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        sample(flow, inputs, steps=5, guidance_rate=0.7, on_step=stop)
    assert seen == [0, 1, 2]
    sample(flow, inputs, steps=2, guidance_rate=0.7, on_step=seen.append)
    assert seen == [0, 1, 2, 0, 1]


def test_steps_must_be_positive() -> None:
    with pytest.raises(ValueError, match="steps"):
        sample(small_model().cfm, small_inputs(1, 6), steps=0, guidance_rate=0.7)


def golden_inputs(case: dict[str, Tensor], **changes: Tensor) -> dict[str, Tensor]:
    return {
        "mu": case["mu"],
        "lengths": torch.tensor([case["mu"].shape[1]]),
        "prompt": case["ref_mel"],
        "style": case["style"],
        "noise": case["noise"],
        **changes,
    }


@needs_goldens
def test_golden_sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = golden_model(golden_config("config.json"), tmp_path).cfm
    case = arrays("s2mel/cfm.npz")
    inputs = golden_inputs(case)
    velocities: list[Tensor] = []
    step = flow.estimator.step

    def recorded(x: Tensor, t: Tensor, context: DiTContext) -> Tensor:
        velocities.append(step(x, t, context))
        return velocities[-1]

    for steps, tolerance in ((1, 2e-5), (5, 2e-5), (25, 2e-4)):
        out = sample(flow, inputs, steps=steps, guidance_rate=0.7)
        assert_close(out, case[f"out_{steps}"], tolerance)
        assert_close(out[..., 37:], case[f"mel_{steps}"], tolerance)
    plain = sample(flow, inputs, steps=5, guidance_rate=0.0)
    assert_close(plain, case["out_5_nocfg"], 2e-5)
    monkeypatch.setattr(flow.estimator, "step", recorded)
    sample(flow, inputs, steps=1, guidance_rate=0.7)
    prompt = case["ref_mel"].shape[-1]
    assert_close(velocities[0], case["step1_estimator_out"][..., prompt:], 2e-5)


@needs_goldens
def test_golden_seeded_noise(tmp_path: Path) -> None:
    flow = golden_model(golden_config("config.json"), tmp_path).cfm
    seeded: dict[str, Any] = arrays("s2mel/cfm_seeded.npz")
    generator = torch.Generator().manual_seed(int(seeded["seed"]))
    noise = torch.randn(1, 80, 80, generator=generator)
    # The integers behind the noise are everywhere the same, their logarithms and cosines nearly.
    assert_close(noise, seeded["noise"], 1e-5)
    inputs = golden_inputs(arrays("s2mel/cfm.npz"), noise=noise)
    assert_close(sample(flow, inputs, steps=5, guidance_rate=0.7), seeded["out_5"], 2e-5)
