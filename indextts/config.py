"""The model's dimensions, read from ``config.yaml`` (specification: gpt.md 7, s2mel.md 6,
codec_and_speaker.md 2.4, audio.md 5).

Every field without a default must be in the file.  A field with a default is either
training-only (accepted, unused) or a constant of the reference, which a checkpoint of
other dimensions may override.  An unknown key is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from indextts.errors import ConfigError, ModelFileError, RequestError
from indextts.sampling import SamplingOptions
from indextts.utils.dataclass_io import from_mapping, require_value


@dataclass(frozen=True)
class DatasetConfig:
    bpe_model: str
    # Lexicon of a model whose vocabulary are phonemes, e.g. phonemes.txt.gz.
    phonemes: str | None = None
    sample_rate: int = 24000
    squeeze: bool = False
    mel: Any = None


@dataclass(frozen=True)
class ConformerConfig:
    output_size: int
    linear_units: int
    attention_heads: int
    num_blocks: int
    input_layer: str = "conv2d2"
    perceiver_mult: int = 2

    def __post_init__(self) -> None:
        require_value(self.input_layer, "conv2d2", "gpt.*condition_module.input_layer")


@dataclass(frozen=True)
class GPTConfig:
    model_dim: int
    layers: int
    heads: int
    max_mel_tokens: int
    max_text_tokens: int
    number_text_tokens: int
    number_mel_codes: int
    start_mel_token: int
    stop_mel_token: int
    condition_module: ConformerConfig
    emo_condition_module: ConformerConfig
    start_text_token: int = 0
    stop_text_token: int = 1
    condition_type: str = "conformer_perceiver"
    use_mel_codes_as_input: bool = True
    train_solo_embeddings: bool = False
    mel_length_compression: int = 1024
    # Constants of the reference.
    semantic_dim: int = 1024
    emo_perceiver_dim: int = 1024
    condition_num_latent: int = 32
    perceiver_dim_head: int = 64
    perceiver_depth: int = 2
    cnn_kernel: int = 15
    pos_table_len: int = 5000
    cond_valid_frames: int = 1024
    # Our own bound on runaway decodes: codes_base + codes_per_text_token * text tokens.
    codes_base: int = 100
    codes_per_text_token: float = 25.0

    def __post_init__(self) -> None:
        require_value(self.condition_type, "conformer_perceiver", "gpt.condition_type")
        require_value(self.use_mel_codes_as_input, True, "gpt.use_mel_codes_as_input")
        require_value(self.train_solo_embeddings, False, "gpt.train_solo_embeddings")
        if self.model_dim % self.heads:
            raise ConfigError("gpt.model_dim must be a multiple of gpt.heads")

    @property
    def head_dim(self) -> int:
        return self.model_dim // self.heads


@dataclass(frozen=True)
class SemanticCodecConfig:
    codebook_size: int
    hidden_size: int
    codebook_dim: int
    vocos_dim: int
    vocos_intermediate_dim: int
    vocos_num_layers: int


@dataclass(frozen=True)
class SpectrogramConfig:
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    fmin: float = 0.0
    # The reference understands only the text "None" (no limit) and reads all else as 8000 Hz.
    fmax: str | None = "None"

    def max_frequency(self, sample_rate: int) -> float:
        """Upper edge of the mel filters in Hz."""
        return sample_rate / 2 if self.fmax in (None, "None") else 8000.0


@dataclass(frozen=True)
class PreprocessConfig:
    sr: int
    spect_params: SpectrogramConfig


@dataclass(frozen=True)
class StyleEncoderConfig:
    """CAMPPlus; only `dim` is in the official file."""

    dim: int
    feat_dim: int = 80
    growth_rate: int = 32
    bn_size: int = 4
    init_channels: int = 128
    head_channels: int = 32
    block_layers: tuple[int, ...] = (12, 24, 16)
    block_dilations: tuple[int, ...] = (1, 2, 2)
    kernel_size: int = 3
    segment_frames: int = 100


@dataclass(frozen=True)
class LengthRegulatorConfig:
    channels: int
    in_channels: int
    sampling_ratios: tuple[int, ...]
    is_discrete: bool = False
    content_codebook_size: int = 2048
    vector_quantize: bool = False
    n_codebooks: int = 1
    quantizer_dropout: float = 0.0
    f0_condition: bool = False
    n_f0_bins: int = 512

    def __post_init__(self) -> None:
        require_value(self.is_discrete, False, "s2mel.length_regulator.is_discrete")
        require_value(self.vector_quantize, False, "s2mel.length_regulator.vector_quantize")
        require_value(self.n_codebooks, 1, "s2mel.length_regulator.n_codebooks")
        require_value(self.f0_condition, False, "s2mel.length_regulator.f0_condition")
        if not self.sampling_ratios:
            raise ConfigError("s2mel.length_regulator.sampling_ratios must not be empty")


@dataclass(frozen=True)
class DiTConfig:
    hidden_dim: int
    num_heads: int
    depth: int
    in_channels: int
    content_dim: int
    style_condition: bool = True
    final_layer_type: str = "wavenet"
    long_skip_connection: bool = True
    uvit_skip_connection: bool = True
    is_causal: bool = False
    time_as_token: bool = False
    style_as_token: bool = False
    zero_prompt_speech_token: bool = False
    f0_condition: bool = False
    add_resblock_in_transformer: bool = False
    class_dropout_prob: float = 0.1
    block_size: int = 8192
    content_type: str = "discrete"
    content_codebook_size: int = 1024
    content_codebooks: int = 1
    n_f0_bins: int = 512
    target: str = "mel"
    # Constants of the reference.
    time_frequency_size: int = 256
    time_max_period: float = 10000.0
    time_scale: float = 1000.0
    max_positions: int = 16384
    ff_multiple: int = 256
    rope_base: float = 10000.0

    def __post_init__(self) -> None:
        require_value(self.final_layer_type, "wavenet", "s2mel.DiT.final_layer_type")
        for name in ("style_condition", "long_skip_connection", "uvit_skip_connection"):
            require_value(getattr(self, name), True, f"s2mel.DiT.{name}")
        for name in (
            "is_causal",
            "time_as_token",
            "style_as_token",
            "zero_prompt_speech_token",
            "f0_condition",
            "add_resblock_in_transformer",
        ):
            require_value(getattr(self, name), False, f"s2mel.DiT.{name}")

    @property
    def ff_dim(self) -> int:
        """Inner width of the gated feed-forward: 8/3 of the model, rounded up."""
        return -(-int(2 * (4 * self.hidden_dim) / 3) // self.ff_multiple) * self.ff_multiple


@dataclass(frozen=True)
class WaveNetConfig:
    hidden_dim: int
    num_layers: int
    kernel_size: int
    dilation_rate: int
    p_dropout: float = 0.0
    style_condition: bool = True


@dataclass(frozen=True)
class S2MelConfig:
    preprocess_params: PreprocessConfig
    style_encoder: StyleEncoderConfig
    length_regulator: LengthRegulatorConfig
    DiT: DiTConfig
    wavenet: WaveNetConfig
    dit_type: str = "DiT"
    reg_loss_type: str = "l1"
    # Constants of the reference.
    gpt_layer: tuple[int, ...] = (1280, 256, 128, 1024)
    frames_per_code: float = 1.72
    diffusion_steps: int = 25
    guidance_rate: float = 0.7
    # Of the standard normal noise that sampling starts from (the temperature of Popov et al. 2021).
    noise_scale: float = 1.0

    @property
    def seconds_per_code(self) -> float:
        """How long a code is heard at the usual pace; the reference's are 50 a second."""
        mel = self.preprocess_params
        return self.frames_per_code * mel.spect_params.hop_length / mel.sr

    def __post_init__(self) -> None:
        require_value(self.dit_type, "DiT", "s2mel.dit_type")
        if self.wavenet.hidden_dim != self.DiT.hidden_dim:
            raise ConfigError("s2mel.wavenet.hidden_dim must equal s2mel.DiT.hidden_dim")
        if self.DiT.content_dim != self.length_regulator.channels:
            raise ConfigError("s2mel.DiT.content_dim must equal s2mel.length_regulator.channels")


@dataclass(frozen=True)
class VocoderConfig:
    type: str
    name: str

    def __post_init__(self) -> None:
        require_value(self.type, "bigvgan", "vocoder.type")


@dataclass(frozen=True)
class SegmentationConfig:
    """What a checkpoint's training texts looked like; the defaults change nothing.

    Attributes:
        every_sentence: it has only heard single sentences: each one is a segment of its own.
        max_tokens: longest text that it has heard, in tokens; None leaves it to the request.
        closing_mark: every text ended with a full stop, a question or an exclamation mark.
    """

    every_sentence: bool = False
    max_tokens: int | None = None
    closing_mark: bool = False

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 4:
            raise ConfigError("segmentation.max_tokens must be at least 4")


@dataclass(frozen=True)
class ModelConfig:
    """``config.yaml`` as a whole."""

    dataset: DatasetConfig
    gpt: GPTConfig
    semantic_codec: SemanticCodecConfig
    s2mel: S2MelConfig
    vocoder: VocoderConfig
    gpt_checkpoint: str
    s2mel_checkpoint: str
    w2v_stat: str
    emo_matrix: str
    spk_matrix: str
    emo_num: tuple[int, ...]
    qwen_emo_path: str = "qwen0.6bemo4-merge/"
    version: float = 2.0
    # Which hidden state of the speech encoder is the semantic feature.
    semantic_layer: int = 17
    # How codes are drawn where a request does not say.
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    # How texts are cut for it.
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    # What people should know before they judge the speech; shown wherever the model is named.
    notice: str = ""

    def __post_init__(self) -> None:
        if len(self.emo_num) != 8:
            raise ConfigError("emo_num must have 8 entries, one for each emotion")
        for name, value, other, other_value in (
            ("s2mel.gpt_layer[0]", self.s2mel.gpt_layer[0], "gpt.model_dim", self.gpt.model_dim),
            (
                "s2mel.gpt_layer[-1]",
                self.s2mel.gpt_layer[-1],
                "s2mel.length_regulator.in_channels",
                self.s2mel.length_regulator.in_channels,
            ),
            (
                "semantic_codec.hidden_size",
                self.semantic_codec.hidden_size,
                "gpt.semantic_dim",
                self.gpt.semantic_dim,
            ),
            (
                "semantic_codec.hidden_size",
                self.semantic_codec.hidden_size,
                "s2mel.length_regulator.in_channels",
                self.s2mel.length_regulator.in_channels,
            ),
        ):
            if value != other_value:
                raise ConfigError(f"{name} is {value}, but {other} is {other_value}")


def load_model_config(path: Path) -> ModelConfig:
    """Read ``config.yaml``.

    Raises:
        ModelFileError: the file is missing or is not YAML.
        ConfigError: its content does not describe a model that we can run.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = f"Fetch the model with: indextts download --dir {path.parent}"
        raise ModelFileError(path, "is missing.", hint) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ModelFileError(path, f"cannot be read: {error}") from error
    try:
        return from_mapping(ModelConfig, data, path.name)
    except RequestError as error:
        raise ConfigError(f"{path.name}.sampling: {error}") from None
