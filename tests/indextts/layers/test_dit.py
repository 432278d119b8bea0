from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indextts.layers.dit import DiT, RMSNorm, TimestepEmbedder
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import arrays, assert_close, needs_goldens
from tests.indextts.layers.s2mel_models import (
    golden_config,
    golden_model,
    official_config,
    small_config,
    small_model,
)

# The time embedding takes the sine of up to 1000 radians, where neighbouring float32 numbers are
# 6e-5 apart: an exp() that rounds otherwise moves it, and all that follows, by up to 5e-5 (so far
# lie the goldens from a float64 computation).
TIME_ATOL = 1e-4
ATOL = 2e-5


def run(
    net: DiT, case: dict[str, Tensor], lengths: Tensor, rows_alone: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and what its parts gave on the way.

    Where the case has the time embeddings, the parts behind go on with these.
    """
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
            seen[name] = output
            return case.get(name) if name in ("t_emb", "t_emb2") else None

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


@pytest.mark.parametrize("first", [1, 2, 7, 12, 18])
@pytest.mark.parametrize("depth", [1, 3, 4])
def test_frames_behind_a_prompt_are_those_of_the_whole(first: int, depth: int) -> None:
    """Near its start, where the WaveNet reads beyond it, and where rows end early."""
    net = small_model(depth=depth).cfm.estimator
    case, lengths = small_case(2, 19), torch.tensor([19, 19 if first == 18 else first + 1])
    whole, _ = run(net, case, lengths, rows_alone=True)
    context = net.prepare(
        case["prompt_x"], lengths, case["style"], case["mu"], first=first, rows_alone=True
    )
    with torch.no_grad():
        part = net.step(case["x"], case["t"], context)
    assert part.shape[-1] == 19 - first
    for row, length in enumerate(lengths.tolist()):
        assert_close(part[row, :, : length - first], whole[row, :, first:length], 1e-5)


def test_only_the_last_layer_and_the_wavenet_leave_the_prompt_out() -> None:
    net = small_model(depth=4).cfm.estimator
    case, first = small_case(1, 19), 15
    seen: list[int] = []
    for module in (*net.transformer.layers, net.wavenet):
        module.register_forward_hook(lambda _module, _inputs, out: seen.append(max(out.shape[1:])))
    context = net.prepare(
        case["prompt_x"], torch.tensor([19]), case["style"], case["mu"], first=first
    )
    with torch.no_grad():
        net.step(case["x"], case["t"], context)
    behind = 19 - first + net.wavenet.reach
    assert 0 < net.wavenet.reach < first
    assert seen == [19, 19, 19, behind, behind]


def test_one_time_serves_all_rows() -> None:
    net = small_model().cfm.estimator
    case = small_case(2, 6)
    context = net.prepare(case["prompt_x"], torch.tensor([6]), case["style"], case["mu"])
    single = net.step(case["x"], torch.tensor([0.3]), context)
    assert_close(single, net.step(case["x"], torch.tensor([0.3, 0.3]), context), 1e-6)


def test_only_needed_parameters_are_built() -> None:
    with skeleton():
        net = DiT(small_config(depth=4).DiT, small_config().wavenet, 6)
    keys = set(net.state_dict())
    built = {key.split(".")[2] for key in keys if "skip_in_linear" in key}
    assert built == {"3"}
    assert not any("x_embedder" in key or "freqs" in key for key in keys)


def test_golden_dimensions_of_the_feed_forward() -> None:
    config = small_config().DiT
    assert replace(config, hidden_dim=512, ff_multiple=256).ff_dim == 1536
    assert replace(config, hidden_dim=64, ff_multiple=256).ff_dim == 256


def test_the_phase_of_the_time_is_a_float32_product() -> None:
    embedder = TimestepEmbedder(16, small_config().DiT)
    embedder.mlp = nn.Sequential()
    exact = 10000.0 ** (-torch.arange(128).double() / 128)
    assert_close(embedder.freqs, exact, atol=0.0, rtol=2e-6)
    t = torch.tensor([0.12, 0.84, 1.0])
    phase = ((1000.0 * t)[:, None] * embedder.freqs).double()
    assert_close(embedder(t), torch.cat((phase.cos(), phase.sin()), dim=1), 1e-6)
    other = (t[:, None] * (1000.0 * embedder.freqs)).double()
    assert (phase - other).abs().max() > 1e-5


def test_the_floor_of_the_norm_shows_in_small_values() -> None:
    x = 1e-3 * torch.randn(2, 16, generator=torch.Generator().manual_seed(4))
    expected = x.double() / (x.double().square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    assert_close(RMSNorm(16)(x), expected, 1e-6)


@needs_goldens
def test_golden_masked_and_full(tmp_path: Path) -> None:
    net = golden_model(golden_config("config.json"), tmp_path).cfm.estimator
    case = arrays("s2mel/estimator_masked.npz")
    out, seen = run(net, case, case["x_lens"])
    assert_close(out, case["out"], ATOL)
    expected = set(case) - {"x", "prompt_x", "x_lens", "t", "style", "mu", "out"}
    assert expected == set(seen)
    for name in expected:
        assert_close(seen[name], case[name], TIME_ATOL if name.startswith("t_emb") else ATOL)
    full, _ = run(net, case, torch.tensor([29]))
    assert_close(full, arrays("s2mel/estimator_full.npz")["out"], ATOL)


@needs_goldens
def test_golden_two_frames(tmp_path: Path) -> None:
    net = golden_model(golden_config("config.json"), tmp_path).cfm.estimator
    case = arrays("s2mel/estimator_T2.npz")
    out, seen = run(net, case, torch.tensor([2]))
    assert_close(out, case["out"], TIME_ATOL)
    assert_close(seen["wavenet_out"], case["wavenet_out"], TIME_ATOL)


@needs_goldens
def test_golden_variant(tmp_path: Path) -> None:
    net = golden_model(golden_config("config_variant.json"), tmp_path).cfm.estimator
    case = arrays("s2mel/estimator_variant.npz")
    out, seen = run(net, case, case["x_lens"])
    assert_close(out, case["out"], TIME_ATOL)
    assert_close(seen["transformer_out"], case["transformer_out"], TIME_ATOL)
    assert_close(seen["wavenet_out"], case["wavenet_out"], TIME_ATOL)


@needs_goldens
@pytest.mark.slow
def test_golden_official_dimensions(tmp_path: Path) -> None:
    model = golden_model(official_config(), tmp_path)
    case = arrays("s2mel/official_dims.npz")
    out, seen = run(model.cfm.estimator, case, case["x_lens"])
    assert_close(out, case["out"], 1e-4)
    for name in ("t_emb", "transformer_out", "wavenet_out"):
        assert_close(seen[name], case[name], 1e-4)
    lr_out = model.length_regulator.rows([case["S"][0]], [int(case["lr_len"])])[0][None]
    assert_close(lr_out, case["lr_out"], 1e-4)
