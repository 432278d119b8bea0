"""The engine's modules, made trainable.

They are built for inference: some start uninitialised, the batch norms only use stored
statistics, and the vocoder's activation works in place.  Here they get first values, and the two
classes are replaced by children of theirs with the same keys and, in eval mode, the same result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers import campplus, conformer, dit, gpt2, perceiver, rep_codec
from indextts.layers.alias_free import AliasFreeActivation
from indextts.layers.harmonic_source import HarmonicSource
from indextts.stages.semantic_gpt import SemanticGPT
from training.nets.snake_gradient import AliasFreeSnake

NORM_MOMENTUM = 0.05


class TrainableActivation(AliasFreeActivation):
    """The same function with a gradient (vocoder.md 3)."""

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, length = x.shape
        frequency, amplitude = (rate.repeat(batch)[:, None] for rate in self.act.rates())
        rows = x.reshape(batch * channels, length)
        made: Tensor = AliasFreeSnake.apply(  # type: ignore[no-untyped-call]
            rows, frequency, amplitude, self._up_taps, self._down_taps
        )
        return made.view_as(x)


class TrainableBatchNorm(campplus.FrozenBatchNorm):
    """Uses and follows the statistics of the batch in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            training=self.training, momentum=NORM_MOMENTUM, eps=campplus.NORM_EPS,
        )  # fmt: skip


def make_trainable(module: nn.Module) -> None:
    """Replace both kinds of layers, wherever they are in `module`."""
    for child in module.modules():
        # The class only: parameters, keys and settings stay what they are.
        if type(child) is AliasFreeActivation:
            child.__class__ = TrainableActivation
        elif type(child) is campplus.FrozenBatchNorm:
            child.__class__ = TrainableBatchNorm


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """First values for everything that the engine's constructors leave empty.

    Linear maps, convolutions and norms of torch keep their own; torch's default generator must be
    seeded before the module is built.
    """
    # Inner layers first, so that an outer one may change them.
    for child in reversed(list(module.modules())):
        _initialise_layer(child)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise RuntimeError(f"{name} was not given a first value")


def _initialise_layer(layer: nn.Module) -> None:
    for kind, fill in _FIRST_VALUES:
        if isinstance(layer, kind):
            fill(layer)


def _linear(layer: gpt2.Conv1D) -> None:
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)


def _stack(layer: gpt2.GPT2) -> None:
    """The residual stream grows with the depth; its writers start smaller (Radford et al. 2019)."""
    for block in layer.blocks:
        for writer in (block.attn.c_proj, block.mlp.c_proj):
            nn.init.normal_(writer.weight, std=0.02 / math.sqrt(2 * len(layer.h)))


def _batch_norm(layer: campplus.FrozenBatchNorm) -> None:
    for tensor in (layer.weight, layer.running_var):
        if tensor is not None:
            tensor.fill_(1.0)
    for tensor in (layer.bias, layer.running_mean):
        if tensor is not None:
            tensor.zero_()


def _backbone(layer: rep_codec.VocosBackbone) -> None:
    for part in layer.convnext:
        assert isinstance(part, rep_codec.ConvNeXtBlock)
        part.gamma.fill_(1.0 / len(layer.convnext))


def _codebook(layer: rep_codec.FactorizedCodebook) -> None:
    nn.init.normal_(layer.codebook.weight)


def _root_mean_square(layer: perceiver.RMSNorm) -> None:
    nn.init.ones_(layer.gamma)


def _resampler(layer: perceiver.PerceiverResampler) -> None:
    nn.init.normal_(layer.latents, std=0.02)


def _position_attention(layer: conformer.PositionAttention) -> None:
    nn.init.zeros_(layer.pos_bias_u)
    nn.init.zeros_(layer.pos_bias_v)


def _tables(layer: SemanticGPT) -> None:
    positions = (layer.text_pos_embedding.emb, layer.mel_pos_embedding.emb)
    for table in (layer.text_embedding, layer.mel_embedding, *positions):
        nn.init.normal_(table.weight, std=0.02)


def _adaptive_norm(layer: dit.AdaptiveNorm) -> None:
    """The scale starts at one, the shift at zero: a plain norm."""
    nn.init.normal_(layer.project_layer.weight, std=0.01)
    width = layer.project_layer.out_features // 2
    layer.project_layer.bias[:width] = 1.0
    layer.project_layer.bias[width:] = 0.0


def _velocity(layer: dit.DiT) -> None:
    nn.init.zeros_(layer.conv2.weight)
    if layer.conv2.bias is not None:
        nn.init.zeros_(layer.conv2.bias)


def _source(layer: HarmonicSource) -> None:
    """Heard from the first step on, at every level."""
    for gain in layer.gains:
        assert isinstance(gain, nn.Conv1d)
        assert gain.bias is not None
        nn.init.ones_(gain.bias)


_FIRST_VALUES: tuple[tuple[type[nn.Module], Callable[[Any], None]], ...] = (
    (gpt2.Conv1D, _linear),
    (gpt2.GPT2, _stack),
    (campplus.FrozenBatchNorm, _batch_norm),
    (rep_codec.VocosBackbone, _backbone),
    (rep_codec.FactorizedCodebook, _codebook),
    (perceiver.RMSNorm, _root_mean_square),
    (perceiver.PerceiverResampler, _resampler),
    (conformer.PositionAttention, _position_attention),
    (SemanticGPT, _tables),
    (dit.AdaptiveNorm, _adaptive_norm),
    (dit.DiT, _velocity),
    (HarmonicSource, _source),
)
