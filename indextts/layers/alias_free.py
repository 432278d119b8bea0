"""Snake activation between a doubling and a halving of the rate (vocoder.md 3).

Both resampling filters have 12 taps.  Written as convolutions they are slow on a CPU: one
channel in, one channel out gives the matrix units nothing to do.  Here the doubled signal is
kept as its two phases, even and odd samples, and every tap is one addition over a shifted view.
That needs no interleaving, computes no sample that is dropped later, and takes a quarter of the
time of a depthwise convolution.  Inference only: it works in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNEL = 12
CUTOFF = 0.25
HALF_WIDTH = 0.3
# Frames that each phase needs beyond its ends.
MARGIN = KERNEL // 4
# Values on either side of its own that a value depends on: both filters reach that far.
ACTIVATION_REACH = 2 * MARGIN
# Values a block of channels may hold on a CPU, so that all passes over it stay in the cache.
BLOCK = 2**19

FusedActivation = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""All of :class:`AliasFreeActivation` at once, of its input, frequency, amplitude and filters."""


def kaiser_taps() -> Tensor:
    """The low-pass filter of both directions: float32 [12], on the CPU.

    Kaiser's formulas for the window shape of a wanted transition width.
    """
    half = KERNEL // 2
    attenuation = 2.285 * (half - 1) * math.pi * 4 * HALF_WIDTH + 7.95
    if attenuation > 50.0:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation >= 21.0:
        beta = 0.5842 * (attenuation - 21.0) ** 0.4 + 0.07886 * (attenuation - 21.0)
    else:
        beta = 0.0
    # An explicit device, so that the taps are real numbers also under torch.device("meta").  All
    # in float32, which gives the buffers of the checkpoint to the last bit.
    window = torch.kaiser_window(KERNEL, periodic=False, beta=beta, device="cpu")
    time = torch.arange(KERNEL, dtype=torch.float32, device="cpu") - half + 0.5
    taps = 2 * CUTOFF * window * torch.sinc(2 * CUTOFF * time)
    return taps / taps.sum()


class Snake(nn.Module):
    """x + sin^2(alpha x) / beta, per channel; plain Snake has beta = alpha."""

    def __init__(self, channels: int, *, separate_beta: bool, logscale: bool) -> None:
        super().__init__()
        self.logscale = logscale
        initial = torch.zeros(channels) if logscale else torch.ones(channels)
        self.alpha = nn.Parameter(initial.clone())
        self.beta = nn.Parameter(initial.clone()) if separate_beta else None

    def rates(self) -> tuple[Tensor, Tensor]:
        """The frequency and the amplitude of each channel, float32 [C] each."""
        alpha: Tensor = self.alpha
        beta: Tensor = alpha if self.beta is None else self.beta
        if self.logscale:
            alpha, beta = alpha.exp(), beta.exp()
        return alpha, 1.0 / (beta + 1e-9)


class Filter(nn.Module):
    """Holder of a filter buffer, at the place where the checkpoint has it."""

    def __init__(self) -> None:
        super().__init__()
        self.filter: Tensor
        self.register_buffer("filter", kaiser_taps().view(1, 1, KERNEL))

    def taps(self) -> tuple[float, ...]:
        return tuple(self.filter.flatten().tolist())


class DownsampleFilter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lowpass = Filter()


class AliasFreeActivation(nn.Module):
    """Double the rate, Snake, halve the rate: float32 [B, C, T] -> [B, C, T].

    Taps and rates are taken from buffers and parameters when the module is made and when a
    state dict is loaded, so that a forward pass neither waits for a device nor computes constants.
    Whoever changes them in another way calls ``compute_buffers``.

    Attributes:
        fused: what does the work in place of the operations here; None: nothing.
    """

    fused: FusedActivation | None = None

    def __init__(self, channels: int, *, separate_beta: bool, logscale: bool) -> None:
        super().__init__()
        self.act = Snake(channels, separate_beta=separate_beta, logscale=logscale)
        self.upsample = Filter()
        self.downsample = DownsampleFilter()
        self.frequency: Tensor
        self.amplitude: Tensor
        for name in ("frequency", "amplitude"):
            self.register_buffer(name, torch.empty(channels, 1), persistent=False)
        if not self.frequency.is_meta:
            self.compute_buffers(self.frequency.device)
        self.register_load_state_dict_post_hook(_take_constants)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def compute_buffers(self, device: torch.device) -> None:
        self._up_taps = self.upsample.taps()
        self._down_taps = self.downsample.lowpass.taps()
        frequency, amplitude = self.act.rates()
        # Copies: a rate may be the parameter itself.
        self.frequency = frequency.to(device, copy=True)[:, None]  # [C, 1]
        self.amplitude = amplitude.to(device, copy=True)[:, None]

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, length = x.shape
        frequency, amplitude = self.frequency, self.amplitude
        if self.fused is not None:
            up, down = self.upsample.filter, self.downsample.lowpass.filter
            return self.fused(x, frequency, amplitude, up, down)
        if batch > 1:
            frequency, amplitude = frequency.repeat(batch, 1), amplitude.repeat(batch, 1)
        rows = x.reshape(batch * channels, length)
        block = len(rows) if x.device.type != "cpu" else max(1, BLOCK // length)
        if block >= len(rows):
            return self._run(rows, frequency, amplitude).view_as(x)
        y = torch.empty_like(rows)
        for first in range(0, len(rows), block):
            part = slice(first, first + block)
            y[part] = self._run(rows[part], frequency[part], amplitude[part])
        return y.view_as(x)

    def _run(self, x: Tensor, frequency: Tensor, amplitude: Tensor) -> Tensor:
        """x [N, T], frequency and amplitude [N, 1] -> [N, T]."""
        even, odd = double_rate(x, self._up_taps)
        length = x.shape[-1]
        for phase in (even, odd):
            inner = phase[:, MARGIN : MARGIN + length]
            inner.addcmul_((inner * frequency).sin_().square_(), amplitude)
        return halve_rate(even, odd, self._down_taps)


def _take_constants(module: nn.Module, _: object) -> None:
    assert isinstance(module, AliasFreeActivation)
    module.compute_buffers(module.upsample.filter.device)


def double_rate(x: Tensor, taps: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Even and odd samples of x at the doubled rate.

    In the transposed convolution of the specification, output 2m reads x[m-3 ... m+2] with the
    odd taps and output 2m+1 reads x[m-2 ... m+3] with the even taps, both in falling order.

    Args:
        x: float32 [N, T].
        taps: h_0 ... h_11.

    Returns:
        Two float32 [N, MARGIN + T + MARGIN]; their margins are not filled yet.
    """
    count, length = x.shape
    padded = F.pad(x[None], (MARGIN, MARGIN), mode="replicate")[0]
    even, odd = (x.new_empty(count, length + 2 * MARGIN) for _ in range(2))
    for phase, offset in ((even, 0), (odd, 1)):
        inner = phase[:, MARGIN : MARGIN + length]
        # Times 2: doubling the rate with zeros in between halves the level.
        chosen = [2 * tap for tap in taps[::-1][offset::2]]
        torch.mul(padded[:, offset : offset + length], chosen[0], out=inner)
        for index, tap in enumerate(chosen[1:], start=offset + 1):
            inner.add_(padded[:, index : index + length], alpha=tap)
    return even, odd


def halve_rate(even: Tensor, odd: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Filter and keep every second sample of a signal given as its two phases.

    Output j reads the samples 2j-5 ... 2j+6: the even ones with the odd taps, the odd ones with
    the even taps.  Beyond the ends the first (even) and the last (odd) sample go on.

    Args:
        even, odd: float32 [N, MARGIN + T + MARGIN]; their margins are overwritten.
        taps: h_0 ... h_11.

    Returns:
        float32 [N, T].
    """
    length = even.shape[-1] - 2 * MARGIN
    end = MARGIN + length
    first, last = even[:, MARGIN : MARGIN + 1], odd[:, end - 1 : end]
    for phase in (even, odd):
        phase[:, :MARGIN] = first
        phase[:, end:] = last
    y = even[:, 1 : 1 + length] * taps[1]
    for index in range(1, KERNEL // 2):
        y.add_(even[:, index + 1 : index + 1 + length], alpha=taps[2 * index + 1])
    for index in range(KERNEL // 2):
        y.add_(odd[:, index : index + length], alpha=taps[2 * index])
    return y
