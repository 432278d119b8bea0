"""The activation between two changes of the rate (alias_free.py) as one Triton kernel.

One reading of a row, one writing: the plain form reads and writes it some thirty times.  Import
this module only where it is to run: Triton comes with torch on Linux, and not everywhere.
"""

# Triton's functions are typed by their arguments when they are made.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, assignment"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

# Neighbouring outputs that a lane makes: they share what lies between the filters.
_EACH = tl.constexpr(4)
_TAPS = tl.constexpr(12)
_HALF = tl.constexpr(6)
_LANES = 128


@triton.jit
def _loaded(source, start, last, count: tl.constexpr):
    """Values from a place on; before the first and behind the last, these."""
    values = ()
    for index in tl.static_range(count):
        place = tl.minimum(tl.maximum(start + index, 0), last)
        values += (tl.load(source + place),)
    return values


@triton.jit
def _sample(near, up, frequency, amplitude, begin: tl.constexpr, odd: tl.constexpr):
    """A sample of the doubled rate behind the Snake; it reads six values from `near[begin]` on."""
    value = near[begin] * up[11 - odd]
    for index in tl.static_range(1, _HALF):
        value += near[begin + index] * up[11 - odd - 2 * index]
    # Doubling the rate with zeros in between halves the level.
    value = 2 * value
    wave = tl.sin(value * frequency)
    return value + wave * wave * amplitude


@triton.jit
def _filtered(samples, down, begin: tl.constexpr):
    value = samples[begin] * down[0]
    for index in tl.static_range(1, _TAPS):
        value += samples[begin + index] * down[index]
    return value


@triton.jit(
    do_not_specialize=["channels", "length"],
    do_not_specialize_on_alignment=["x", "y", "frequency", "amplitude", "up", "down"],
)
def _activation(x, y, frequency, amplitude, up, down, channels, length, lanes: tl.constexpr):
    """Rows [N, length]; program (n, b) makes the outputs of block b of row n.

    Output j reads the samples 2j-5 ... 2j+6; sample 2m reads x[m-3 ... m+2], sample 2m+1
    x[m-2 ... m+3].  So the outputs j ... j+3 read 18 samples, which are odd and even by turns and
    of which each pair reads the same six of x[j-5 ... j+8].
    """
    row = tl.program_id(0).to(tl.int64)
    speed, level = tl.load(frequency + row % channels), tl.load(amplitude + row % channels)
    x += row * length
    y += row * length
    up_taps = _loaded(up, 0, _TAPS - 1, _TAPS)
    down_taps = _loaded(down, 0, _TAPS - 1, _TAPS)
    # Beyond the ends the first and the last sample go on.
    head = _sample(_loaded(x, -3, length - 1, _HALF), up_taps, speed, level, 0, 0)
    tail = _sample(_loaded(x, length - 3, length - 1, _HALF), up_taps, speed, level, 0, 1)
    block = tl.program_id(1) * lanes * _EACH
    first = block + tl.arange(0, lanes) * _EACH
    near = _loaded(x, first - 5, length - 1, 14)
    samples = ()
    for index in tl.static_range(18):
        place = 2 * first - 5 + index
        sample = _sample(near, up_taps, speed, level, index // 2, (index + 1) % 2)
        sample = tl.where(place < 0, head, tl.where(place >= 2 * length, tail, sample))
        samples += (sample,)
    outputs = tl.interleave(
        tl.interleave(_filtered(samples, down_taps, 0), _filtered(samples, down_taps, 4)),
        tl.interleave(_filtered(samples, down_taps, 2), _filtered(samples, down_taps, 6)),
    )
    places = block + tl.arange(0, lanes * _EACH)
    tl.store(y + places, outputs, mask=places < length)


def fused_activation(
    x: Tensor, frequency: Tensor, amplitude: Tensor, up: Tensor, down: Tensor
) -> Tensor:
    """Double the rate, Snake, halve the rate.

    Args:
        x: float32 [B, C, T], T at least 1.
        frequency, amplitude: float32 [C, 1], of the Snake.
        up, down: float32 [1, 1, 12], taps of the filters.

    Returns:
        float32 [B, C, T].
    """
    x = x.contiguous()
    y = torch.empty_like(x)
    batch, channels, length = x.shape
    grid = (batch * channels, triton.cdiv(length, _LANES * _EACH.value))
    # Triton launches on the current device, which need not be the tensor's.
    with torch.cuda.device_of(x):
        _activation[grid](
            x, y, frequency, amplitude, up, down, channels, length, lanes=_LANES
        )  # fmt: skip
    return y
