"""Sizes of the small checkpoint and how long each part is trained."""

from __future__ import annotations

from dataclasses import dataclass

from indextts.config import (
    ConformerConfig,
    DatasetConfig,
    DiTConfig,
    GPTConfig,
    LengthRegulatorConfig,
    ModelConfig,
    PreprocessConfig,
    S2MelConfig,
    SegmentationConfig,
    SemanticCodecConfig,
    SpectrogramConfig,
    StyleEncoderConfig,
    VocoderConfig,
    WaveNetConfig,
)
from indextts.network_configs import BigVGANConfig, HarmonicSourceConfig, W2VBertConfig
from indextts.sampling import SamplingOptions
from indextts.stages.text.phonemes import PHONEME_FILE
from training.unit_space import codebook_size, entry_width

EMO_NUM = (3, 17, 2, 8, 4, 5, 10, 24)
NOTICE = (
    "This is the small demonstration model, to try the service with: most words of it are "
    "understood, and it knows few voices. Fetch the official model with: indextts download"
)


@dataclass(frozen=True)
class Sizes:
    """Everything that a model directory says about dimensions."""

    model: ModelConfig
    w2v_bert: W2VBertConfig
    bigvgan: BigVGANConfig
    # Speech sounds that the codebook has room for.
    sounds: int


@dataclass(frozen=True)
class Schedule:
    """How one part is trained.

    Attributes:
        steps: optimisation steps.
        batch: utterances in one.
        rate: greatest learning rate; linear warm-up, then half a cosine down to a twentieth.
        warmup: steps of it.
        decay: weight decay.
        average: decay of the running mean of the weights, which is what is exported; 0 for none.
    """

    steps: int
    batch: int
    rate: float
    warmup: int = 200
    decay: float = 0.01
    average: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Sizes and schedules of a run.

    Attributes:
        seed: of everything.
        penalty: the repetition penalty of decoding, which the GPT is trained under (README).
        vocoder_frames: mel frames of a vocoder's training example.
        adversarial_from: vocoder steps before the discriminators act.
        sharpen_from: steps of an acoustic model with a single step before its critic acts.
        latents: whether the acoustic model hears the GPT's latents.  Without them it depends on the
            codec only and is trained beside the GPT; their projection in the export is zero.
        hold_conditioner: whether the GPT's reading of clips stays as it was imported.  It learns
            from speech alone, and a few hundred clips make it forget what thousands taught it.
        emotion_gain: how much further than it was learnt an emotion clip moves the speech away from
            plain speech in the export.
        pace: of the export, against the speech it was taught; slower is heard better.
    """

    sizes: Sizes
    encoder: Schedule
    codec: Schedule
    vocoder: Schedule
    style: Schedule
    gpt: Schedule
    s2mel: Schedule
    seed: int = 1
    penalty: float = 1.0
    vocoder_frames: int = 32
    adversarial_from: int = 10_000
    sharpen_from: int = 100_000
    latents: bool = False
    hold_conditioner: bool = False
    emotion_gain: float = 1.0
    pace: float = 1.0


def demo_recipe() -> Recipe:
    """The checkpoint of ``models/demo``, for two CPU cores and three hours."""
    return Recipe(
        sizes=sizes(width=192, text_tokens=310, sounds=110),
        encoder=Schedule(1_200, 16, 1.2e-3, 150),
        codec=Schedule(600, 16, 1.5e-3, 50),
        vocoder=Schedule(4_000, 6, 6e-4, 200, average=0.999),
        style=Schedule(250, 32, 1e-3, 50),
        gpt=Schedule(3_000, 8, 1.2e-3, 200, decay=0.05, average=0.995),
        s2mel=Schedule(4_600, 6, 8e-4, 50, average=0.995),
        adversarial_from=100_000,
        emotion_gain=1.25,
        pace=0.86,
    )


def gpu_recipe() -> Recipe:
    """The same model, larger batches and critics, for half an hour on one large GPU."""
    return Recipe(
        sizes=sizes(width=192, text_tokens=310, sounds=110),
        encoder=Schedule(5_000, 64, 1.2e-3, 500),
        codec=Schedule(3_000, 64, 1e-3, 200),
        vocoder=Schedule(15_000, 32, 5e-4, 300, average=0.999),
        style=Schedule(1_500, 96, 1e-3),
        gpt=Schedule(6_000, 96, 1.2e-3, 500, decay=0.05, average=0.998),
        s2mel=Schedule(8_000, 32, 8e-4, 500, average=0.998),
        adversarial_from=4_000,
    )


def trial_recipe() -> Recipe:
    """The same sizes for a few minutes on a CPU, to see that everything works."""
    return Recipe(
        sizes=sizes(width=192, text_tokens=310, sounds=110),
        encoder=Schedule(300, 8, 1e-3, 30),
        codec=Schedule(200, 8, 1e-3, 20),
        vocoder=Schedule(200, 4, 5e-4, 20),
        style=Schedule(100, 16, 1e-3, 10),
        gpt=Schedule(250, 8, 1e-3, 30, decay=0.05),
        s2mel=Schedule(200, 4, 8e-4, 20),
        adversarial_from=120,
    )


RECIPES = {"demo": demo_recipe, "gpu": gpu_recipe, "trial": trial_recipe}


def sizes(width: int, text_tokens: int, sounds: int) -> Sizes:
    """Dimensions that follow from the width of the semantic features."""
    codebook = codebook_size(sounds)
    gpt = GPTConfig(
        model_dim=192,
        layers=4,
        heads=4,
        max_mel_tokens=815,
        max_text_tokens=300,
        number_text_tokens=text_tokens,
        number_mel_codes=codebook + 2,
        start_mel_token=codebook,
        stop_mel_token=codebook + 1,
        condition_module=ConformerConfig(48, 144, 2, 2),
        emo_condition_module=ConformerConfig(48, 144, 2, 2),
        semantic_dim=width,
        emo_perceiver_dim=128,
        condition_num_latent=8,
        perceiver_dim_head=32,
        pos_table_len=1000,
        # 6 s; clips are never longer in training.
        cond_valid_frames=300,
        # A phoneme lasts three to four codes; slow speech twice that; a single word 65 in all.
        codes_base=30,
        codes_per_text_token=9.0,
    )
    return Sizes(
        model=ModelConfig(
            dataset=DatasetConfig("bpe.model", PHONEME_FILE),
            gpt=gpt,
            semantic_codec=SemanticCodecConfig(codebook, width, entry_width(sounds), 192, 512, 4),
            s2mel=S2MelConfig(
                PreprocessConfig(22050, SpectrogramConfig(1024, 1024, 256, 80)),
                StyleEncoderConfig(
                    64,
                    growth_rate=16,
                    bn_size=4,
                    init_channels=64,
                    head_channels=8,
                    block_layers=(4, 6, 4),
                ),
                LengthRegulatorConfig(width, width, (1, 1, 1, 1)),
                DiTConfig(192, 4, 4, 80, width, class_dropout_prob=0.0, ff_multiple=64),
                WaveNetConfig(192, 4, 5, 1),
                gpt_layer=(gpt.model_dim, 128, 128, width),
                # What two hours can teach: one step from nothing, which is a plain regression.
                diffusion_steps=1,
                guidance_rate=0.0,
                noise_scale=0.0,
            ),
            vocoder=VocoderConfig("bigvgan", "indextts-service/demo"),
            gpt_checkpoint="gpt.pth",
            s2mel_checkpoint="s2mel.pth",
            w2v_stat="wav2vec2bert_stats.pt",
            emo_matrix="feat2.pt",
            spk_matrix="feat1.pt",
            emo_num=EMO_NUM,
            semantic_layer=4,
            sampling=SamplingOptions(num_beams=1, repetition_penalty=1.0),
            # It has heard longer texts, too, but is best at single sentences with a closing mark.
            segmentation=SegmentationConfig(every_sentence=True, max_tokens=60, closing_mark=True),
            notice=NOTICE,
        ),
        w2v_bert=W2VBertConfig(
            hidden_size=width,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=4 * width,
        ),
        bigvgan=BigVGANConfig(
            num_mels=80,
            upsample_initial_channel=192,
            # The same factor everywhere has the fewest values in the late, wide stages.
            upsample_rates=(4, 4, 4, 4),
            upsample_kernel_sizes=(8, 8, 8, 8),
            resblock_kernel_sizes=(7,),
            resblock_dilation_sizes=((1, 3, 5),),
            use_tanh_at_final=True,
            use_bias_at_final=False,
            source=HarmonicSourceConfig(),
        ),
        sounds=sounds,
    )
