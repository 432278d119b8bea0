from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indextts.layers.dit import DiT
from tests.indextts.goldens import arrays, assert_close, needs_goldens
from tests.indextts.layers.s2mel_models import (
    golden_config,
    golden_model,
    official_config,
    small_config,
    small_model,
)


def run(
    net: DiT, case: dict[str, Tensor], lengths: Tensor, rows_alone: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and what its parts gave on the way."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            seen[name] = output

        return hook

    net.transformer.register_forward_pre_hook(
        lambda _module, inputs: seen.__setitem__("merge_out", inputs[0])
    )
    parts: dict[str, nn.Module] = {
        "t_emb": net.t_embedder,
        "t_emb2": net.t_embedder2,
        "layer0_attn_out": net.transformer.layers[0].get_submodule("attention"),
        "transformer_out": net.transformer,
        "skip_linear_out": net.skip_linear,
        "wavenet_out": net.wavenet,
        "final_layer_out": net.final_layer,
    }
    parts |= {f"layer{i}_out": layer for i, layer in enumerate(net.transformer.layers)}
    for name, module in parts.items():
        module.register_forward_hook(keep(name))
    with torch.no_grad():
        out = net(
            case["x"],
            case["prompt_x"],
            lengths,
            case["t"],
            case["style"],
            case["mu"],
            rows_alone=rows_alone,
        )
    return out, seen


def small_case(batch: int, frames: int) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {
        "x": torch.randn(batch, 8, frames),
        "prompt_x": torch.randn(batch, 8, frames),
        "t": torch.rand(batch),
        "style": torch.randn(batch, 6),
        "mu": torch.randn(batch, frames, 16),
    }


def alone(case: dict[str, Tensor], row: int, length: int) -> dict[str, Tensor]:
    own = {name: value[row : row + 1] for name, value in case.items()}
    own["x"], own["prompt_x"] = own["x"][..., :length], own["prompt_x"][..., :length]
    own["mu"] = own["mu"][:, :length]
    return own


@pytest.mark.parametrize("depth", [3, 4])
def test_rows_alone_in_a_batch(depth: int) -> None:
    net = small_model(depth=depth).cfm.estimator
    case, lengths = small_case(4, 19), [19, 5, 12, 1]
    batch, _ = run(net, case, torch.tensor(lengths), rows_alone=True)
    for row, length in enumerate(lengths):
        own, _ = run(net, alone(case, row, length), torch.tensor([length]))
        assert_close(batch[row, :, :length], own[0], 1e-5)


def test_one_time_serves_all_rows() -> None:
    net = small_model().cfm.estimator
    case = small_case(2, 6)
    context = net.prepare(case["prompt_x"], torch.tensor([6]), case["style"], case["mu"])
    single = net.step(case["x"], torch.tensor([0.3]), context)
    assert_close(single, net.step(case["x"], torch.tensor([0.3, 0.3]), context), 1e-6)


def test_only_needed_parameters_are_built() -> None:
    with torch.device("meta"):
        net = DiT(small_config(depth=4).DiT, small_config().wavenet, 6)
    keys = set(net.state_dict())
    built = {key.split(".")[2] for key in keys if "skip_in_linear" in key}
    assert built == {"3"}
    assert not any("x_embedder" in key or "freqs" in key for key in keys)


def test_golden_dimensions_of_the_feed_forward() -> None:
    config = small_config().DiT
    assert replace(config, hidden_dim=512, ff_multiple=256).ff_dim == 1536
    assert replace(config, hidden_dim=64, ff_multiple=256).ff_dim == 256


@needs_goldens
def test_golden_masked_and_full(tmp_path: Path) -> None:
    net = golden_model(golden_config("config.json"), tmp_path).cfm.estimator
    case = arrays("s2mel/estimator_masked.npz")
    out, seen = run(net, case, case["x_lens"])
    assert_close(out, case["out"], 2e-5)
    expected = set(case) - {"x", "prompt_x", "x_lens", "t", "style", "mu", "out"}
    assert expected == set(seen)
    for name in expected:
        assert_close(seen[name], case[name], 2e-5)
    full, _ = run(net, case, torch.tensor([29]))
    assert_close(full, arrays("s2mel/estimator_full.npz")["out"], 2e-5)


@needs_goldens
def test_golden_two_frames(tmp_path: Path) -> None:
    net = golden_model(golden_config("config.json"), tmp_path).cfm.estimator
    case = arrays("s2mel/estimator_T2.npz")
    out, seen = run(net, case, torch.tensor([2]))
    assert_close(out, case["out"], 2e-5)
    assert_close(seen["wavenet_out"], case["wavenet_out"], 2e-5)


@needs_goldens
def test_golden_variant(tmp_path: Path) -> None:
    net = golden_model(golden_config("config_variant.json"), tmp_path).cfm.estimator
    case = arrays("s2mel/estimator_variant.npz")
    out, seen = run(net, case, case["x_lens"])
    assert_close(out, case["out"], 2e-5)
    assert_close(seen["transformer_out"], case["transformer_out"], 2e-5)
    assert_close(seen["wavenet_out"], case["wavenet_out"], 2e-5)


@needs_goldens
@pytest.mark.slow
def test_golden_official_dimensions(tmp_path: Path) -> None:
    model = golden_model(official_config(), tmp_path)
    case = arrays("s2mel/official_dims.npz")
    out, seen = run(model.cfm.estimator, case, case["x_lens"])
    assert_close(out, case["out"], 1e-4)
    for name in ("t_emb", "transformer_out", "wavenet_out"):
        assert_close(seen[name], case[name], 1e-4)
    lr_out = model.length_regulator(case["S"], case["lr_len"][None])
    assert_close(lr_out, case["lr_out"], 1e-4)
