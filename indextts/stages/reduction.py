"""Which matrices the fast class multiplies in a reduced format on a CPU.

Those that take time or memory: the blocks of the GPT, the speech encoder's layers, the first linear
maps of the conditioner, the estimator of the flow.  Norms, embeddings, the states between the
layers, the time of the flow and what scores the codes stay float32; so does all that is run once
for a clip and is small, and so does the vocoder: between its convolutions lie so many passes over
their results that turning these into bf16 and back takes what the products save.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from indextts.layers.dit import Attention
from indextts.layers.reduced import Reduced, reduce_modules
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
        """A precision that somebody asked for stays."""
        if gpt.dtype == torch.float32:
            self._reduce(gpt.gpt)

    def features(self, features: SemanticFeatures) -> None:
        self._reduce(features.encoder.encoder)

    def conditioner(self, conditioner: ReferenceConditioner) -> None:
        """Two matrices in it hold a sixth of the whole model; their sums are too long for int8."""
        if self.weights == "bf16":
            for encoder in (conditioner.conditioning_encoder, conditioner.emo_conditioning_encoder):
                self._reduce(encoder.embed.out)

    def acoustic(self, acoustic: AcousticModel) -> None:
        self._reduce(acoustic.cfm.estimator, _KEPT_OF_FLOW)
        if self.weights == "bf16":
            for module in acoustic.cfm.estimator.modules():
                if isinstance(module, Attention):
                    module.products = torch.bfloat16

    def _reduce(self, module: nn.Module, keep: tuple[str, ...] = ()) -> None:
        if self.weights is not None:
            reduce_modules(module, self.weights, keep, MappedPages().let_go)


def with_own_modules(module: M) -> M:
    """A copy whose modules can be replaced; it shares all tensors."""
    tensors = (*module.parameters(), *module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
