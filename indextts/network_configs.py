"""Dimensions of the networks that bring a ``config.json`` of their own: the speech encoder
(codec_and_speaker.md 1.5) and the vocoder (vocoder.md 1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indextts.errors import ConfigError, ModelFileError
from indextts.utils.dataclass_io import from_mapping, require_value


@dataclass(frozen=True)
class W2VBertConfig:
    """``w2v-bert-2.0/config.json``; the defaults are the public model's."""

    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    intermediate_size: int = 4096
    feature_projection_input_dim: int = 160
    hidden_act: str = "swish"
    position_embeddings_type: str = "relative_key"
    left_max_position_embeddings: int = 64
    right_max_position_embeddings: int = 8
    conv_depthwise_kernel_size: int = 31
    add_adapter: bool = False
    layer_norm_eps: float = 1e-5
    use_intermediate_ffn_before_adapter: bool = False

    def __post_init__(self) -> None:
        require_value(self.hidden_act, "swish", "w2v-bert hidden_act")
        require_value(
            self.position_embeddings_type, "relative_key", "w2v-bert position_embeddings_type"
        )
        require_value(self.add_adapter, False, "w2v-bert add_adapter")


@dataclass(frozen=True)
class HarmonicSourceConfig:
    """Pulses at the pitch beside the generator; no part of the official vocoder.

    Attributes:
        reader_width: channels of the net that reads the pitch off the mel.
        lowest_pitch, highest_pitch: its range in Hz.
    """

    reader_width: int = 96
    lowest_pitch: float = 50.0
    highest_pitch: float = 600.0


@dataclass(frozen=True)
class BigVGANConfig:
    """``bigvgan/config.json``; `source` is our own addition, for small models."""

    num_mels: int
    upsample_initial_channel: int
    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]
    resblock: str = "1"
    activation: str = "snakebeta"
    snake_logscale: bool = True
    use_tanh_at_final: bool = True
    use_bias_at_final: bool = True
    sampling_rate: int = 22050
    hop_size: int | None = field(default=None)
    source: HarmonicSourceConfig | None = None

    def __post_init__(self) -> None:
        require_value(self.resblock, "1", "bigvgan resblock")
        if self.activation not in ("snake", "snakebeta"):
            raise ConfigError(f"bigvgan activation: snake or snakebeta, got {self.activation!r}")

    @property
    def samples_per_frame(self) -> int:
        total = 1
        for rate in self.upsample_rates:
            total *= rate
        return total


def load_w2v_bert_config(path: Path) -> W2VBertConfig:
    """Read the speech encoder's ``config.json``; keys that do not concern us are passed over."""
    return from_mapping(W2VBertConfig, read_json(path), path.name, ignore_unknown=True)


def load_bigvgan_config(path: Path) -> BigVGANConfig:
    """Read the vocoder's ``config.json``; keys that do not concern us are passed over."""
    return from_mapping(BigVGANConfig, read_json(path), path.name, ignore_unknown=True)


def read_json(path: Path) -> Any:
    """Parse a JSON file of the model directory; raises ModelFileError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFileError(path, "is missing.") from None
    except (ValueError, OSError) as error:
        raise ModelFileError(path, f"is not readable JSON: {error}") from error
