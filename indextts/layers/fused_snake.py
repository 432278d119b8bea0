"""Whether the activations of a vocoder run as one kernel each (snake_kernel.py).

Triton makes the kernel on the user's machine, for which it needs a C compiler.  Without one, as
without Triton or a GPU, the plain form does the same, slower.
"""

from __future__ import annotations

import logging

import torch
from torch import nn

from indextts.layers.alias_free import AliasFreeActivation, FusedActivation
from indextts.utils.device_errors import is_out_of_memory, poisons_device

log = logging.getLogger(__name__)

# Sums in another order, and sines of another library.
_TOLERANCE = 1e-4


class FusedActivationUnavailableError(Exception):
    """Why there is no kernel."""


class WrongKernelError(FusedActivationUnavailableError):
    """It gives something else than the plain form."""


def fuse_activations(model: nn.Module, device: torch.device) -> bool:
    """Let the activations of a model on CUDA run as one kernel each; False where that cannot be.

    The kernel is made and tried here, so that nothing of it can fail later.
    """
    fused: FusedActivation | None = None
    if device.type == "cuda":
        try:
            fused = open_fused_activation(device)
        except FusedActivationUnavailableError as reason:
            level = logging.WARNING if isinstance(reason, WrongKernelError) else logging.INFO
            log.log(level, "the vocoder's activations run as plain operations: %s", reason)
    set_activation(model, fused)
    return fused is not None


def set_activation(model: nn.Module, fused: FusedActivation | None) -> None:
    """What does the work of all activations of a model; None: operations of torch."""
    for module in model.modules():
        if isinstance(module, AliasFreeActivation):
            module.fused = fused


def open_fused_activation(device: torch.device) -> FusedActivation:
    """The kernel, if it runs and gives what the plain form does.

    Raises:
        FusedActivationUnavailableError: it does not.
    """
    try:
        from indextts.layers.snake_kernel import fused_activation

        apart = _difference(fused_activation, device)
    except Exception as error:
        if is_out_of_memory(error) or poisons_device(error):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FusedActivationUnavailableError(f"no Triton kernel ({reason})") from error
    if not apart <= _TOLERANCE:
        raise WrongKernelError(f"the Triton kernel is off by {apart:.3g}")
    return fused_activation


@torch.inference_mode()
def _difference(fused: FusedActivation, device: torch.device) -> float:
    """The largest distance between both forms, over two blocks and both ends."""
    random = torch.Generator("cpu").manual_seed(0)
    module = AliasFreeActivation(3, separate_beta=True, logscale=True)
    for rate in (module.act.alpha, module.act.beta):
        assert rate is not None
        rate.copy_(torch.randn(3, generator=random, device="cpu"))
    module.compute_buffers(torch.device("cpu"))
    module.to(device)
    x = torch.randn(2, 3, 700, generator=random, device="cpu").to(device)
    plain = module(x)
    module.fused = fused
    return float((module(x) - plain).abs().max())
