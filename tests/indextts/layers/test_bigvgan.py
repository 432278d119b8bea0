from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from indextts.errors import ConfigError
from indextts.layers.alias_free import MARGIN, double_rate
from indextts.layers.bigvgan import BigVGAN
from indextts.network_configs import BigVGANConfig
from indextts.utils.checkpoint import fold_weight_norm, load_into
from indextts.utils.dataclass_io import from_mapping
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import arrays, assert_close, needs_goldens
from tests.indextts.layers import vocoder_models as models


def test_length_and_level() -> None:
    net = models.small_model()
    mel = 50 * torch.randn(2, 4, 6)
    signal = net.signal(mel)
    assert signal.shape == (2, 1, 6 * 8)
    assert torch.equal(net(mel), signal.clamp(-1, 1))
    assert signal.abs().max() > 1
    tanh = models.small_model(use_tanh_at_final=True)
    assert torch.equal(tanh(mel), tanh.signal(mel).tanh())


def test_bias_and_plain_snake() -> None:
    assert models.small_model(use_bias_at_final=True).conv_post.bias is not None
    assert models.small_model().conv_post.bias is None
    keys = models.small_model(activation="snake").state_dict()
    assert "activation_post.act.alpha" in keys
    assert "activation_post.act.beta" not in keys


@pytest.mark.parametrize(
    "changes",
    [
        {"upsample_rates": [4]},
        {"resblock_kernel_sizes": [3]},
        {"upsample_kernel_sizes": [7, 4]},
        {"upsample_kernel_sizes": [2, 4]},
        {"upsample_initial_channel": 6},
        {"resblock_kernel_sizes": [3, 4]},
        {"hop_size": 256},
    ],
)
def test_lists_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="bigvgan"):
        BigVGAN(models.small_config(**changes))


@needs_goldens
def test_golden() -> None:
    settings, state = models.golden_checkpoint()
    case = arrays("bigvgan/tiny.safetensors")
    with skeleton():
        net = BigVGAN(from_mapping(BigVGANConfig, settings, "tiny.json"))
    filters = {key: value for key, value in net.state_dict().items() if key.endswith(".filter")}
    plain = fold_weight_norm(state, "stand-ins")
    load_into(net, plain | filters, "tiny.pt")
    assert_close(plain["conv_pre.weight"], case["conv_pre_weight"], 1e-6)
    assert_close(plain["ups.0.0.weight"], case["ups0_weight"], 1e-6)
    activation = net.get_submodule("resblocks.0.activations.0")
    assert_close(filters["activation_post.upsample.filter"].flatten(), case["filter_taps"], 1e-7)
    down = filters["activation_post.downsample.lowpass.filter"].flatten()
    assert_close(down, case["down_taps"], 1e-7)
    even, odd = double_rate(case["act_in"][0], tuple(case["filter_taps"].tolist()))
    up = torch.stack((even, odd), dim=-1)[:, MARGIN:-MARGIN].flatten(1)
    assert_close(up[None], case["act_upsampled"], 2e-6)
    frequency, amplitude = activation.get_submodule("act").rates()  # type: ignore[operator]
    snake = up + (up * frequency[:, None]).sin() ** 2 * amplitude[:, None]
    assert_close(snake[None], case["act_snake"], 4e-6)
    assert_close(activation(case["act_in"]), case["act_out"], 4e-6)
    assert_close(activation(case["act1_in"]), case["act1_out"], 4e-6)
    parts: dict[str, Tensor] = {
        "conv_pre": net.conv_pre(case["mel"]),
        "ups0": net.get_submodule("ups.0.0")(case["conv_pre"]),
        "resblock0": net.resblocks[0](case["ups0"]),
        "wav_pre_clamp": net.signal(case["mel"]),
        "wav": net(case["mel"]),
    }
    for name, actual in parts.items():
        # 1e-4 of the array's level: single samples lie arbitrarily close to zero.  The limited
        # waveform is a cutting of the signal, and has the signal's rounding.
        level = case["wav_pre_clamp" if name == "wav" else name].std()
        assert_close(actual, case[name], 1e-4 * float(level))
