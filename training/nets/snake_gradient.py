"""The gradient of the alias-free activation, by the same shifted additions as its values.

Written as convolutions (one channel in, one out) the two resamplings and their gradients are most
of the time of a vocoder's training step on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from indextts.layers.alias_free import KERNEL, MARGIN, double_rate, halve_rate

Taps = tuple[float, ...]
# Values of a block of rows, so that what is computed from them stays in the cache.
BLOCK = 2**18


class AliasFreeSnake(torch.autograd.Function):
    """x [N, T], frequency and amplitude [N, 1], taps of both filters -> [N, T]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frequency: Tensor, amplitude: Tensor, up: Taps, down: Taps
    ) -> Tensor:
        ctx.save_for_backward(x, frequency, amplitude)
        ctx.up, ctx.down = up, down
        y = torch.empty_like(x)
        for part in _blocks(x):
            even, odd = double_rate(x[part], up)
            for phase in (even, odd):
                inner = _inner(phase)
                inner.addcmul_((inner * frequency[part]).sin_().square_(), amplitude[part])
            y[part] = halve_rate(even, odd, down)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, frequency, amplitude = ctx.saved_tensors
        (wanted,) = grads
        to_x = torch.empty_like(x)
        to_frequency, to_amplitude = torch.empty_like(frequency), torch.empty_like(amplitude)
        for part in _blocks(x):
            f, a = frequency[part], amplitude[part]
            phases = double_rate(x[part], ctx.up)
            gradients = halve_rate_gradient(wanted[part], ctx.down)
            to_f, to_a = torch.zeros_like(f), torch.zeros_like(a)
            for phase, gradient in zip(phases, gradients, strict=True):
                u = _inner(phase)
                angle = u * (2 * f)
                # sin^2 = (1 - cos of the double) / 2
                to_a += (gradient.sum(1) - (gradient * angle.cos()).sum(1))[:, None] / 2
                slope = gradient * angle.sin_()
                to_f += a * (slope * u).sum(1, keepdim=True)
                gradient.addcmul_(slope, a * f)
            to_x[part] = double_rate_gradient(*gradients, ctx.up)
            to_frequency[part], to_amplitude[part] = to_f, to_a
        return to_x, to_frequency, to_amplitude, None, None


def halve_rate_gradient(wanted: Tensor, taps: Taps) -> tuple[Tensor, Tensor]:
    """What a gradient [N, T] behind :func:`halve_rate` is for its two phases, [N, T] each."""
    rows, length = wanted.shape
    even, odd = (wanted.new_zeros(rows, length + 2 * MARGIN) for _ in range(2))
    for index in range(KERNEL // 2):
        even[:, index + 1 : index + 1 + length].add_(wanted, alpha=taps[2 * index + 1])
        odd[:, index : index + length].add_(wanted, alpha=taps[2 * index])
    end = MARGIN + length
    # Beyond the ends stand the first even and the last odd sample.
    even[:, MARGIN] += even[:, :MARGIN].sum(1) + odd[:, :MARGIN].sum(1)
    odd[:, end - 1] += even[:, end:].sum(1) + odd[:, end:].sum(1)
    return _inner(even), _inner(odd)


def double_rate_gradient(even: Tensor, odd: Tensor, taps: Taps) -> Tensor:
    """What the gradients [N, T] of the two phases of :func:`double_rate` are for its input."""
    rows, length = even.shape
    padded = even.new_zeros(rows, length + 2 * MARGIN)
    for phase, offset in ((even, 0), (odd, 1)):
        for index, tap in enumerate(taps[::-1][offset::2], start=offset):
            padded[:, index : index + length].add_(phase, alpha=2 * tap)
    end = MARGIN + length
    padded[:, MARGIN] += padded[:, :MARGIN].sum(1)
    padded[:, end - 1] += padded[:, end:].sum(1)
    return _inner(padded)


def _inner(phase: Tensor) -> Tensor:
    return phase[:, MARGIN:-MARGIN]


def _blocks(x: Tensor) -> list[slice]:
    rows, length = x.shape
    size = rows if x.device.type != "cpu" else max(1, BLOCK // length)
    return [slice(first, first + size) for first in range(0, rows, size)]
