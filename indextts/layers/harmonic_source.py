"""A voice before the mouth: pulses at the pitch, and noise (after Wang et al. 2019).

A generator of convolutions has no clock but the mel's frames: while the mel stands still, what it
makes repeats with every frame, whatever the pitch.  The official model avoids that, after millions
of steps of training, by the finer movements of its mels.  This optional part (``source`` in the
vocoder's ``config.json``; the official model has none) reads the pitch off the mel, counts the
phase, and adds the filtered pulses and noise to each stage of the generator.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.network_configs import HarmonicSourceConfig

# Pulses and noise.
CHANNELS = 2
# The noise is a fixed sequence of about three seconds, so that a mel always sounds the same.
NOISE_LENGTH, NOISE_SEED = 2**16, 1
# Samples that a filter sees at least.
SHORTEST_FILTER = 32
READER_KERNEL, READER_LAYERS = 5, 3
# Middle and spread of log-mels, and the pitch in Hz that the reader's zero stands for.
MEL_MEAN, MEL_SPREAD, MIDDLE_PITCH = -5.0, 3.0, 150.0
# In Hz.  A phase adds up all pitches before it: without steps it would add up their last bits as
# well, which are others with other numbers of threads.
PITCH_STEP = 2.0**-8


class PitchReader(nn.Module):
    """Pitch and voicing of mel frames, from the frames around them."""

    def __init__(self, num_mels: int, config: HarmonicSourceConfig) -> None:
        super().__init__()
        self.range = (config.lowest_pitch, config.highest_pitch)
        widths = (num_mels, *[config.reader_width] * READER_LAYERS)
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, READER_KERNEL, padding=READER_KERNEL // 2)
            for a, b in itertools.pairwise(widths)
        )
        self.out = nn.Conv1d(widths[-1], 2, 1)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Read a mel.

        Args:
            mel: float32 [B, num_mels, T].

        Returns:
            Pitch in Hz, also where there is no voice, and the logits of there being one; both
            float32 [B, T].
        """
        x = (mel - MEL_MEAN) / MEL_SPREAD
        for conv in self.convs:
            x = F.silu(conv(x))
        octaves, voiced = self.out(x).unbind(1)
        return (MIDDLE_PITCH * octaves.exp2()).clamp(*self.range), voiced


class HarmonicSource(nn.Module):
    """Makes the excitation and mixes it into the stages of a generator.

    Args:
        num_mels: bands of the mel.
        rate: samples a second.
        strides: samples per value of each stage of the generator, the last being 1.
        channels: of each stage.
        config: see :class:`HarmonicSourceConfig`.
    """

    def __init__(
        self,
        num_mels: int,
        rate: int,
        strides: Sequence[int],
        channels: Sequence[int],
        config: HarmonicSourceConfig,
    ) -> None:
        super().__init__()
        self.rate = rate
        self.reader = PitchReader(num_mels, config)
        self.filters, self.gains = nn.ModuleList(), nn.ModuleList()
        for stride, width in zip(strides, channels, strict=True):
            kernel = max(2 * stride, SHORTEST_FILTER - stride % 2)
            self.filters.append(
                nn.Conv1d(CHANNELS, width, kernel, stride, padding=(kernel - stride) // 2)
            )
            self.gains.append(nn.Conv1d(width, width, 1))
        self.noise: Tensor
        self.register_buffer("noise", torch.empty(0), persistent=False)
        self.compute_buffers(self.noise.device)

    def compute_buffers(self, device: torch.device) -> None:
        generator = torch.Generator("cpu").manual_seed(NOISE_SEED)
        noise = torch.randn(NOISE_LENGTH, generator=generator, device="cpu")
        self.noise = noise.to(device)

    def read(self, mel: Tensor, samples_per_frame: int) -> Tensor:
        """The excitation that belongs to a mel, float32 [B, 2, T * samples_per_frame]."""
        hertz, voiced = self.reader(mel)
        hertz = (hertz / PITCH_STEP).round() * PITCH_STEP
        return self.excitation(hertz, (voiced > 0).float(), samples_per_frame)

    def excitation(
        self, hertz: Tensor, voiced: Tensor, samples_per_frame: int, noise: Tensor | None = None
    ) -> Tensor:
        """Pulses and noise, both of unit power.

        Args:
            hertz: float32 [B, T], the pitch in the middle of each frame, above 0 everywhere.
            voiced: float32 [B, T], 0 to 1.
            noise: float32 [B, T * samples_per_frame]; the fixed sequence if not given.

        Returns:
            float32 [B, 2, T * samples_per_frame].
        """
        size = hertz.shape[-1] * samples_per_frame
        cycles = _spread(hertz / self.rate, size)  # per sample
        phase = running_phase(cycles, samples_per_frame)
        pulses = pulse_train(phase, cycles) * _spread(voiced, size)
        if noise is None:
            repeats = math.ceil(size / NOISE_LENGTH)
            noise = self.noise.repeat(repeats)[:size].expand_as(pulses)
        return torch.stack((pulses, noise), dim=1)

    def mix(self, stage: int, x: Tensor, excitation: Tensor) -> Tensor:
        """Add the excitation, filtered, at the level that a stage's values [B, C, n] ask for."""
        mixed: Tensor = x + self.filters[stage](excitation) * self.gains[stage](x)
        return mixed


def _spread(frames: Tensor, size: int) -> Tensor:
    """Values in the middle of frames to samples, on straight lines: [B, T] -> [B, size]."""
    return F.interpolate(frames[:, None], size, mode="linear", align_corners=False)[:, 0]


def running_phase(cycles: Tensor, block: int) -> Tensor:
    """The sum of cycles per sample from the start on, without whole cycles.

    Sums of single precision lose a phase after seconds, so whole cycles are left out after every
    block.

    Args:
        cycles: float32 [B, n].
        block: samples; n is a multiple of it.

    Returns:
        float32 [B, n], 0 to 1.
    """
    inside = cycles.unflatten(-1, (-1, block)).cumsum(-1)  # [B, blocks, block]
    whole = inside[..., -1] % 1.0
    before = (whole.cumsum(-1) - whole) % 1.0
    return ((before[..., None] + inside) % 1.0).flatten(1)


def pulse_train(phase: Tensor, cycles: Tensor) -> Tensor:
    """All harmonics below half the sampling rate, equally strong, with a total power of one.

    The sum of K cosines in closed form (Dirichlet's kernel):
    1 + 2 cos(x) + ... + 2 cos(K x) = sin((K + 1/2) x) / sin(x / 2).

    Args:
        phase: float32 [B, n], in cycles.
        cycles: float32 [B, n], cycles per sample, at most 1/4.
    """
    harmonics = (0.5 / cycles).floor()
    below = (math.pi * phase).sin()
    at_pulse = below.abs() < 1e-4
    above = (math.pi * (2 * harmonics + 1) * phase).sin()
    ratio = torch.where(at_pulse, 2 * harmonics + 1, above / below.masked_fill(at_pulse, 1.0))
    return (ratio - 1) / (2 * harmonics).sqrt()
