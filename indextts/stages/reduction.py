"""Which matrices the fast class multiplies in a reduced format on a CPU.

Those that take time or memory: the blocks of the GPT, the speech encoder's layers, the first linear
maps of the conditioner, the estimator of the flow.  Norms, embeddings, the states between the
layers, the time of the flow and what scores the codes stay float32; so does all that is run once
for a clip and is small, and so does the vocoder: between its convolutions lie so many passes over
their results that turning these into bf16 and back takes what the products save.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn

from indextts.layers.dit import Attention
from indextts.layers.reduced import Reduced, has_reducible, reduce_modules
from indextts.stages.acoustic import AcousticModel
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.semantic_features import SemanticFeatures
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.mapped_pages import MappedPages

# Of the estimator: what depends on the time alone, and what is applied once for all steps.
_KEPT_OF_FLOW = (
    "t_embedder",
    "t_embedder2",
    "project_layer",
    "adaLN_modulation",
    "cond_layer",
    "cond_projection",
    "cond_x_merge_linear",
)
M = TypeVar("M", bound=nn.Module)


class Reduction:
    """Puts reduced matrices into the stages' networks, in place; see the module.

    Args:
        weights: their format; None changes nothing.
    """

    def __init__(self, weights: Reduced | None) -> None:
        self.weights = weights

    def gpt(self, gpt: SemanticGPT) -> None:
        self._reduce(_of_gpt(gpt))

    def features(self, features: SemanticFeatures) -> None:
        self._reduce(_of_features(features))

    def conditioner(self, conditioner: ReferenceConditioner) -> None:
        self._reduce(_of_conditioner(conditioner, self.weights))

    def acoustic(self, acoustic: AcousticModel) -> None:
        self._reduce(_of_acoustic(acoustic), _KEPT_OF_FLOW)
        if self.weights == "bf16":
            for module in acoustic.cfm.estimator.modules():
                if isinstance(module, Attention) and has_reducible(module, "bf16"):
                    module.products = torch.bfloat16

    def _reduce(self, parts: Iterator[nn.Module], keep: tuple[str, ...] = ()) -> None:
        if self.weights is not None:
            for part in parts:
                reduce_modules(part, self.weights, keep, MappedPages().let_go)


def gains(
    weights: Reduced,
    gpt: SemanticGPT,
    features: SemanticFeatures,
    conditioner: ReferenceConditioner,
    acoustic: AcousticModel,
) -> bool:
    """Whether any of the networks has, or could have, a matrix in a reduced format."""
    parts = (*_of_gpt(gpt), *_of_features(features), *_of_conditioner(conditioner, weights))
    return any(has_reducible(part, weights) for part in parts) or any(
        has_reducible(part, weights, _KEPT_OF_FLOW) for part in _of_acoustic(acoustic)
    )


def _of_gpt(gpt: SemanticGPT) -> Iterator[nn.Module]:
    """A precision that somebody asked for stays."""
    if gpt.dtype == torch.float32:
        yield gpt.gpt


def _of_features(features: SemanticFeatures) -> Iterator[nn.Module]:
    yield features.encoder.encoder


def _of_conditioner(
    conditioner: ReferenceConditioner, weights: Reduced | None
) -> Iterator[nn.Module]:
    """Two matrices in it hold a sixth of the whole model; their sums are too long for int8."""
    if weights == "bf16":
        yield conditioner.conditioning_encoder.embed.out
        yield conditioner.emo_conditioning_encoder.embed.out


def _of_acoustic(acoustic: AcousticModel) -> Iterator[nn.Module]:
    yield acoustic.cfm.estimator


def with_own_modules(module: M) -> M:
    """A copy whose modules can be replaced; it shares all tensors."""
    tensors = (*module.parameters(), *module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
