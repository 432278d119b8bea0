"""Discriminators, all small: of the vocoder by period (Kong et al. 2020) and by spectrogram (Jang
et al. 2021), of the acoustic model by patches of mel (Isola et al. 2017); and their losses."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = ((1024, 256), (512, 128), (2048, 512))
SLOPE = 0.1


class PeriodCritic(nn.Module):
    """Looks at every p-th sample."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        widths = (1, width, 2 * width, 4 * width, 4 * width)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)) for a, b in itertools.pairwise(widths)
        )
        self.out = nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """[B, 1, n] -> the layers' outputs, the scores last."""
        wave = F.pad(wave, (0, -wave.shape[-1] % self.period), mode="reflect")
        return _layers(wave.unflatten(-1, (-1, self.period)), self.convs, self.out)


class SpectrogramCritic(nn.Module):
    """Looks at a magnitude spectrogram."""

    def __init__(self, size: int, hop: int, width: int) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        widths = (1, width, width, width, width)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, (3, 9), (1, 2 if i else 1), (1, 4))
            for i, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, wave: Tensor) -> list[Tensor]:
        magnitude = spectrogram(wave[:, 0], self.size, self.hop)  # [B, bins, frames]
        return _layers(magnitude.transpose(1, 2)[:, None], self.convs, self.out)


class MelCritic(nn.Module):
    """Looks at patches of a mel, about 0.2 s long and a third of the bands high."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        widths = (1, width, 2 * width, 2 * width)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 5, 2, 2) for a, b in itertools.pairwise(widths))
        self.out = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, mel: Tensor) -> list[list[Tensor]]:
        """[B, bands, T] -> the layers' outputs, the scores last, of this one critic."""
        return [_layers(mel[:, None], self.convs, self.out)]


class Critics(nn.Module):
    """Those of the vocoder."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.members = nn.ModuleList(
            [
                *(PeriodCritic(period, width) for period in PERIODS),
                *(SpectrogramCritic(size, hop, width) for size, hop in RESOLUTIONS),
            ]
        )

    def forward(self, wave: Tensor) -> list[list[Tensor]]:
        return [member(wave) for member in self.members]


def _layers(x: Tensor, convs: nn.ModuleList, out: nn.Module) -> list[Tensor]:
    found = []
    for conv in convs:
        x = F.leaky_relu(conv(x), SLOPE)
        found.append(x)
    return [*found, out(x)]


def critic_loss(real: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """Least squares: real to one, made to zero."""
    terms = [
        (1 - r[-1]).square().mean() + m[-1].square().mean() for r, m in zip(real, made, strict=True)
    ]
    return torch.stack(terms).mean()


def generator_loss(made: list[list[Tensor]]) -> Tensor:
    return torch.stack([(1 - m[-1]).square().mean() for m in made]).mean()


def feature_loss(real: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """Distance between what the critics see inside."""
    terms = [
        (a.detach() - b).abs().mean()
        for r, m in zip(real, made, strict=True)
        for a, b in zip(r[:-1], m[:-1], strict=True)
    ]
    return torch.stack(terms).mean()


def spectrogram(wave: Tensor, size: int, hop: int) -> Tensor:
    """Magnitudes float32 [B, size / 2 + 1, frames] of [B, n]."""
    window = torch.hann_window(size, device=wave.device)
    bins = torch.stft(wave.float(), size, hop, window=window, return_complex=True)
    return (torch.view_as_real(bins).square().sum(-1) + 1e-7).sqrt()


def spectral_loss(wave: Tensor, made: Tensor) -> Tensor:
    """Spectral convergence and log distance at several resolutions (Yamamoto et al. 2020)."""
    terms = []
    for size, hop in RESOLUTIONS:
        want, got = spectrogram(wave, size, hop), spectrogram(made, size, hop)
        terms.append((want - got).norm() / want.norm() + (want.log() - got.log()).abs().mean())
    return torch.stack(terms).mean()
