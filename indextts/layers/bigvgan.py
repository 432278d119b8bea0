"""BigVGAN generator: mel to waveform (Lee et al. 2023; vocoder.md 2)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from indextts.errors import ConfigError
from indextts.layers.alias_free import ACTIVATION_REACH, AliasFreeActivation
from indextts.layers.harmonic_source import SHORTEST_FILTER, HarmonicSource
from indextts.network_configs import BigVGANConfig

# Of the first and the last convolution.
OUTER_KERNEL = 7


class ResidualBlock(nn.Module):
    """Three pairs of convolutions, the first of each pair dilated; [B, C, T] -> [B, C, T]."""

    def __init__(
        self, channels: int, kernel: int, dilations: tuple[int, ...], config: BigVGANConfig
    ) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=(kernel - 1) * d // 2)
            for d in dilations
        )
        self.convs2 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations
        )
        self.activations = nn.ModuleList(
            _activation(channels, config) for _ in range(2 * len(dilations))
        )

    def forward(self, x: Tensor) -> Tensor:
        for index, (first, second) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            y: Tensor = first(self.activations[2 * index](x))
            y = second(self.activations[2 * index + 1](y))
            x = x + y
        return x


class BigVGAN(nn.Module):
    """The generator; attribute names are the checkpoint's keys with the weight norm folded.

    Attributes:
        samples_per_frame: of the waveform.
        margin: frames of the mel on either side that a sample depends on.

    Raises:
        ConfigError: the lists of the configuration do not fit together.
    """

    def __init__(self, config: BigVGANConfig) -> None:
        super().__init__()
        _check(config)
        self.samples_per_frame = config.samples_per_frame
        self.margin = context_frames(config)
        self.use_tanh = config.use_tanh_at_final
        self.kernels = len(config.resblock_kernel_sizes)
        channels = config.upsample_initial_channel
        self.conv_pre = nn.Conv1d(
            config.num_mels, channels, OUTER_KERNEL, padding=OUTER_KERNEL // 2
        )
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            up = nn.ConvTranspose1d(
                channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2
            )
            self.ups.append(nn.ModuleList([up]))
            channels //= 2
            self.resblocks.extend(
                ResidualBlock(channels, size, dilations, config)
                for size, dilations in zip(
                    config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
                )
            )
        self.activation_post = _activation(channels, config)
        self.conv_post = nn.Conv1d(
            channels, 1, OUTER_KERNEL, padding=OUTER_KERNEL // 2, bias=config.use_bias_at_final
        )
        self.source = _source(config)

    def excitation(self, mel: Tensor) -> Tensor | None:
        """What the harmonic source plays to a mel: float32 [B, 2, T * samples_per_frame]."""
        return None if self.source is None else self.source.read(mel, self.samples_per_frame)

    def signal(self, mel: Tensor, excitation: Tensor | None = None) -> Tensor:
        """The waveform before its level is limited.

        Args:
            mel: float32 [B, num_mels, T], all rows real to the end, T at least 1.
            excitation: of the harmonic source, where there is one; read off the mel if not given.

        Returns:
            float32 [B, 1, T * samples_per_frame].
        """
        if excitation is None:
            excitation = self.excitation(mel)
        x: Tensor = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            assert isinstance(up, nn.ModuleList)
            x = up[0](x)  # [B, C / 2, T * rate]
            if self.source is not None and excitation is not None:
                x = self.source.mix(stage, x, excitation)
            first = stage * self.kernels
            total: Tensor = self.resblocks[first](x)
            for block in self.resblocks[first + 1 : first + self.kernels]:
                total = total + block(x)
            x = total / self.kernels
        x = self.conv_post(self.activation_post(x))
        return x

    def limit(self, signal: Tensor) -> Tensor:
        """Bring a signal into [-1, 1]."""
        return signal.tanh() if self.use_tanh else signal.clamp(-1.0, 1.0)

    def forward(self, mel: Tensor) -> Tensor:
        """The waveform of mels of one length.

        Args:
            mel: float32 [B, num_mels, T].

        Returns:
            float32 [B, 1, T * samples_per_frame] in [-1, 1].
        """
        return self.limit(self.signal(mel))


def context_frames(config: BigVGANConfig) -> int:
    """How many frames of the mel before and after its own a sample depends on, at most.

    Counted from the end of the net to its start, at each stage's own rate.
    """
    reach = OUTER_KERNEL // 2 + ACTIVATION_REACH
    for rate, kernel in zip(
        reversed(config.upsample_rates), reversed(config.upsample_kernel_sizes), strict=True
    ):
        reach += max(
            sum((size - 1) * (dilation + 1) // 2 + 2 * ACTIVATION_REACH for dilation in dilations)
            for size, dilations in zip(
                config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
            )
        )
        if config.source is not None:
            reach += SHORTEST_FILTER
        # A transposed convolution reads kernel / rate values around each of its outputs.
        reach = -(-(2 * reach + kernel + rate) // (2 * rate))
    return reach + OUTER_KERNEL // 2


def _activation(channels: int, config: BigVGANConfig) -> AliasFreeActivation:
    return AliasFreeActivation(
        channels,
        separate_beta=config.activation == "snakebeta",
        logscale=config.snake_logscale,
    )


def _source(config: BigVGANConfig) -> HarmonicSource | None:
    if config.source is None:
        return None
    stages = range(1, len(config.upsample_rates) + 1)
    return HarmonicSource(
        config.num_mels,
        config.sampling_rate,
        [math.prod(config.upsample_rates[stage:]) for stage in stages],
        [config.upsample_initial_channel // 2**stage for stage in stages],
        config.source,
    )


def _check(config: BigVGANConfig) -> None:
    if len(config.upsample_rates) != len(config.upsample_kernel_sizes):
        raise ConfigError("bigvgan: upsample_rates and upsample_kernel_sizes differ in length")
    if len(config.resblock_kernel_sizes) != len(config.resblock_dilation_sizes):
        raise ConfigError(
            "bigvgan: resblock_kernel_sizes and resblock_dilation_sizes differ in length"
        )
    for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
        if kernel < rate or (kernel - rate) % 2:
            raise ConfigError(
                f"bigvgan: upsample kernel {kernel} does not fit rate {rate}: the difference "
                "must be even and not negative"
            )
    if config.upsample_initial_channel % 2 ** len(config.upsample_rates):
        raise ConfigError("bigvgan: upsample_initial_channel must halve evenly at every stage")
    if any(kernel % 2 == 0 for kernel in config.resblock_kernel_sizes):
        raise ConfigError("bigvgan: resblock_kernel_sizes must be odd")
    if config.hop_size not in (None, config.samples_per_frame):
        raise ConfigError(
            f"bigvgan: hop_size is {config.hop_size}, the upsample_rates make "
            f"{config.samples_per_frame}"
        )
