"""Linear maps and convolutions on a CPU with weights in bf16 or int8, float32 in and out.

Both are products of oneDNN on weights that are packed once, as torch's compiler uses them: those
operators are maintained, while torch's own quantization of modules (``torch.ao``) is being
retired in favour of torchao, which brings compiled GPU kernels that a CPU has no use for.  bf16
rounds weights and inputs to 8 bits of mantissa and adds up in float32.  int8 has a scale for each
output and, taken from the input itself, one for each row: a row's result does not depend on the
rows beside it, as it would with one scale for the whole input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Literal

import torch
from torch import Tensor, nn

from indextts.layers.dit import FeedForward
from indextts.layers.gpt2 import Conv1D

Reduced = Literal["bf16", "int8"]

# Weights that a matrix has at least to gain more than rounding its inputs costs, measured on two
# cores with AMX: 512 x 512 in bf16, 512 x 1536 in int8, a convolution from 512 to 1024 channels in
# bf16.  Smaller ones gain little, and some shapes (192 to 384 channels, 5 wide) take five times as
# long.
LEAST_LINEAR: dict[Reduced, int] = {"bf16": 2**18, "int8": 2**19}
LEAST_CONV = 2**19
# The largest value of int8 that has a negative.
_LARGEST = 127
# Inputs are stored above this: VNNI multiplies numbers without a sign by numbers with one, and for
# two with a sign oneDNN has nothing fast.
_MIDDLE = 128


class Bf16Linear(nn.Module):
    """A linear map whose products are taken in bf16.

    Args:
        weight: float32 [out, in].
        bias: float32 [out].
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.bias = bias
        self._packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(
            weight.bfloat16().contiguous(), None
        )

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., in] -> float32 [..., out]."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.bfloat16(), self._packed, None, "none", [], ""
        )
        return y.float() if self.bias is None else y + self.bias


class Int8Linear(nn.Module):
    """A linear map whose products are taken in int8.

    Args:
        weight: float32 [out, in].
        bias: float32 [out].
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.bias = bias
        largest = weight.abs().amax(dim=1).clamp_min_(torch.finfo(torch.float32).tiny)  # [out]
        whole = (weight * (_LARGEST / largest)[:, None]).round_().to(torch.int8)
        # A weight that lies by input, as GPT-2 checkpoints have it, would be packed wrongly.
        self._packed: Tensor = torch.ops.onednn.qlinear_prepack(whole.contiguous(), None)
        # The scale of the input is its row's largest value over _LARGEST.
        self._scale = largest / _LARGEST**2
        self._zero = torch.zeros(len(largest), dtype=torch.int64)
        self._middle = torch.tensor(float(_MIDDLE))

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., in] -> float32 [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        largest = torch.linalg.vector_norm(rows, math.inf, dim=1, keepdim=True)  # [R, 1]
        # A row of zeros stays one.
        largest = largest.clamp_min(torch.finfo(torch.float32).tiny)
        whole = torch.addcmul(self._middle, rows, _LARGEST / largest).round_().to(torch.uint8)
        y: Tensor = torch.ops.onednn.qlinear_pointwise(
            whole, 1.0, _MIDDLE, self._packed, self._scale, self._zero, None, 1.0, 0, torch.float32,
            "none", [], "",
        )  # fmt: skip
        y = y * largest if self.bias is None else torch.addcmul(self.bias, y, largest)
        return y.view(*x.shape[:-1], y.shape[-1])


class Bf16FeedForward(nn.Module):
    """The gated feed-forward of the flow's estimator, in bf16 from its input to its result: the
    passes over its wide middle would take longer than the products.

    Args:
        module: without biases.
    """

    def __init__(self, module: FeedForward) -> None:
        super().__init__()
        self._w1, self._w3, self._w2 = (
            torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().bfloat16(), None)
            for linear in (module.w1, module.w3, module.w2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """float32 [B, T, D] -> float32 [B, T, D]."""
        multiply = torch.ops.mkldnn._linear_pointwise
        half = x.bfloat16()
        gate = multiply(half, self._w1, None, "swish", [], "")
        middle = multiply.binary(half, gate, self._w3, None, "mul")
        result: Tensor = multiply(middle, self._w2, None, "none", [], "").float()
        return result


class Bf16Conv1d(nn.Module):
    """A convolution over time whose products are taken in bf16.

    Args:
        conv: with zero padding, without groups.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.bias = None if conv.bias is None else conv.bias.detach()[:, None]  # [out, 1]
        # oneDNN's operator wants two axes.
        self._padding = [0, int(conv.padding[0])]
        self._stride, self._dilation = [1, conv.stride[0]], [1, conv.dilation[0]]
        self._packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight.detach().bfloat16()[:, :, None],
            self._padding,
            self._stride,
            self._dilation,
            1,
            None,
        )

    def forward(self, x: Tensor) -> Tensor:
        """float32 [B, in, T] -> float32 [B, out, T']."""
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.bfloat16()[:, :, None], self._packed, None, self._padding, self._stride,
            self._dilation, 1, "none", [], "",
        )  # fmt: skip
        y = y[:, :, 0]
        # It comes frame by frame; what follows goes along channels.
        out = y.new_empty(y.shape, dtype=torch.float32)
        return out.copy_(y) if self.bias is None else torch.add(y, self.bias, out=out)


@torch.no_grad()
def reduce_modules(
    root: nn.Module,
    weights: Reduced,
    keep: Collection[str] = (),
    replaced: Callable[[Tensor], object] = lambda weight: None,
) -> None:
    """Replace the linear maps inside a module, and with "bf16" its convolutions, by reduced ones
    where they are large enough to gain.

    Args:
        root: with real weights in float32 on the CPU.
        weights: their new format.
        keep: names of attributes, at any depth, that stay as they are with all that is in them.
        replaced: called with each weight that has been read and is not needed any more.
    """
    for name, child in root.named_children():
        if name in keep:
            continue
        if not _gains(child, weights):
            reduce_modules(child, weights, keep, replaced)
            continue
        setattr(root, name, _reduced(child, weights))
        for weight in child.parameters():
            if weight.dim() > 1:
                replaced(weight.detach())


def has_reducible(root: nn.Module, weights: Reduced, keep: Collection[str] = ()) -> bool:
    """Whether :func:`reduce_modules` finds, or has found, anything to replace there."""
    return any(
        isinstance(child, (Bf16Linear, Int8Linear, Bf16FeedForward, Bf16Conv1d))
        or _gains(child, weights)
        or has_reducible(child, weights, keep)
        for name, child in root.named_children()
        if name not in keep
    )


def _gains(module: nn.Module, weights: Reduced) -> bool:
    """Whether a module of itself is of a kind, and large enough, to be faster reduced."""
    match module:
        case FeedForward() if weights == "bf16":
            return module.w1.weight.numel() >= LEAST_LINEAR[weights]
        case nn.Conv1d(groups=1, padding_mode="zeros") if weights == "bf16":
            return module.weight.numel() >= LEAST_CONV
        case nn.Linear() | Conv1D():
            return module.weight.numel() >= LEAST_LINEAR[weights]
    return False


def _reduced(module: nn.Module, weights: Reduced) -> nn.Module:
    match module:
        case FeedForward():
            return Bf16FeedForward(module)
        case nn.Conv1d():
            return Bf16Conv1d(module)
        case nn.Linear(weight=weight, bias=bias):
            pass
        case Conv1D(weight=weight, bias=bias):
            weight = weight.t()
    linear = Bf16Linear if weights == "bf16" else Int8Linear
    return linear(weight.detach(), None if bias is None else bias.detach())
