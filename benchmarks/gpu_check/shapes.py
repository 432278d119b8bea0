"""Dimensions of the models that are made here: the official ones, and smaller ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

from indextts.config import (
    ConformerConfig,
    DatasetConfig,
    DiTConfig,
    GPTConfig,
    LengthRegulatorConfig,
    ModelConfig,
    PreprocessConfig,
    S2MelConfig,
    SemanticCodecConfig,
    SpectrogramConfig,
    StyleEncoderConfig,
    VocoderConfig,
    WaveNetConfig,
)
from indextts.network_configs import BigVGANConfig, W2VBertConfig
from tests.indextts.tiny_model import BIGVGAN, W2V, tiny_config


@dataclass(frozen=True)
class Shapes:
    """All that says how large a model is."""

    model: ModelConfig
    w2v_bert: W2VBertConfig
    bigvgan: BigVGANConfig


def official_shapes() -> Shapes:
    """The release's ``config.yaml`` (gpt.md 7, s2mel.md 6, codec_and_speaker.md 1.5), the public
    w2v-bert-2.0 and the public BigVGAN (vocoder.md 1)."""
    model = ModelConfig(
        dataset=DatasetConfig("bpe.model"),
        gpt=GPTConfig(
            model_dim=1280,
            layers=24,
            heads=20,
            max_mel_tokens=1815,
            max_text_tokens=600,
            number_text_tokens=12000,
            number_mel_codes=8194,
            start_mel_token=8192,
            stop_mel_token=8193,
            condition_module=ConformerConfig(512, 2048, 8, 6),
            emo_condition_module=ConformerConfig(512, 1024, 4, 4),
        ),
        semantic_codec=SemanticCodecConfig(8192, 1024, 8, 384, 2048, 12),
        s2mel=S2MelConfig(
            PreprocessConfig(22050, SpectrogramConfig(1024, 1024, 256, 80)),
            StyleEncoderConfig(192),
            LengthRegulatorConfig(512, 1024, (1, 1, 1, 1)),
            DiTConfig(512, 8, 13, 80, 512),
            WaveNetConfig(512, 8, 5, 1),
        ),
        vocoder=VocoderConfig("bigvgan", "nvidia/bigvgan_v2_22khz_80band_256x"),
        gpt_checkpoint="gpt.pth",
        s2mel_checkpoint="s2mel.pth",
        w2v_stat="wav2vec2bert_stats.pt",
        emo_matrix="feat2.pt",
        spk_matrix="feat1.pt",
        emo_num=(3, 17, 2, 8, 4, 5, 10, 24),
    )
    bigvgan = BigVGANConfig(
        num_mels=80,
        upsample_initial_channel=1536,
        upsample_rates=(4, 4, 2, 2, 2, 2),
        upsample_kernel_sizes=(8, 8, 4, 4, 4, 4),
        resblock_kernel_sizes=(3, 7, 11),
        resblock_dilation_sizes=((1, 3, 5),) * 3,
        use_tanh_at_final=False,
        use_bias_at_final=False,
    )
    return Shapes(model, W2VBertConfig(), bigvgan)


def small_shapes() -> Shapes:
    """A tenth of the official widths, with the official widths of the heads: the kernels are the
    same, and a CPU is fast enough to be compared with."""
    official = official_shapes()
    model = official.model
    conformer = ConformerConfig(128, 256, 2, 2)
    gpt = replace(
        model.gpt,
        model_dim=256,
        layers=6,
        heads=4,
        number_mel_codes=1026,
        start_mel_token=1024,
        stop_mel_token=1025,
        condition_module=conformer,
        emo_condition_module=conformer,
        semantic_dim=256,
        emo_perceiver_dim=256,
    )
    s2mel = replace(
        model.s2mel,
        style_encoder=StyleEncoderConfig(192, init_channels=64, block_layers=(2, 3, 2)),
        length_regulator=LengthRegulatorConfig(128, 256, (1, 1, 1, 1)),
        DiT=DiTConfig(128, 2, 5, 80, 128),
        wavenet=WaveNetConfig(128, 4, 5, 1),
        gpt_layer=(256, 256, 128, 256),
        diffusion_steps=10,
    )
    return Shapes(
        replace(
            model,
            gpt=gpt,
            semantic_codec=SemanticCodecConfig(1024, 256, 8, 128, 256, 4),
            s2mel=s2mel,
            semantic_layer=4,
        ),
        replace(
            official.w2v_bert,
            hidden_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=512,
        ),
        replace(official.bigvgan, upsample_initial_channel=64),
    )


def tiny_shapes() -> Shapes:
    """Those of the tests."""
    config = tiny_config()
    # The bound on codes is the benchmark's to set.
    gpt = replace(config.gpt, codes_base=100, codes_per_text_token=25.0)
    return Shapes(replace(config, gpt=gpt), W2V, BIGVGAN)
