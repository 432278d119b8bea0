"""All networks of a model directory, loaded onto one device."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from indextts.config import ModelConfig, load_model_config
from indextts.errors import ConfigError
from indextts.layers.rep_codec import RepCodec
from indextts.model_files import ModelFiles, resolve_model_files
from indextts.request import Normalization
from indextts.stages.acoustic import load_acoustic_model
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.emotion import EmotionMatrix, load_emotion_matrix
from indextts.stages.emotion_text import EmotionReader
from indextts.stages.reference import ReferenceNetworks
from indextts.stages.semantic_codec import load_semantic_codec
from indextts.stages.semantic_features import load_semantic_features
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.stages.speaker_style import load_speaker_style
from indextts.stages.text import TextFrontEnd, load_text_front_end
from indextts.stages.vocoder import Vocoder, load_vocoder
from indextts.utils.checkpoint import load_into, read_state_dict

log = logging.getLogger(__name__)

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Networks:
    """Everything with weights, and what reads text."""

    config: ModelConfig
    text: TextFrontEnd
    gpt: SemanticGPT
    reference: ReferenceNetworks
    codec: RepCodec
    vocoder: Vocoder
    emotions: EmotionMatrix
    emotion_reader: EmotionReader


def choose_device(name: str) -> torch.device:
    """ "auto" is the first CUDA device, or the CPU where there is none."""
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: {name!r} is no device ({error})") from None
    return torch.device("cuda", 0) if str(device) == "cuda" else device


def choose_precision(name: str, device: torch.device) -> str:
    """ "auto" is fp16 on CUDA and fp32 elsewhere; it concerns the GPT's block stack only."""
    if name == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if name not in PRECISIONS:
        raise ConfigError(f"precision: {name!r} is none of auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise ConfigError("precision: fp16 needs a GPU; the CPU takes fp32 or bf16")
    return name


def load_networks(
    model_dir: Path,
    device: torch.device,
    precision: str,
    verbalizer: str,
    normalization: Normalization = "natural",
) -> Networks:
    """Read a model directory.

    Raises:
        ModelFileError: a file is missing, damaged or of another model.
        ConfigError: ``config.yaml`` describes a model that we cannot run.
    """
    start = time.perf_counter()
    if device.type == "cuda":
        # TF32 keeps 10 bits of mantissa; what the specification wants in float32 needs 23.
        torch.backends.cudnn.allow_tf32 = False
    config = load_model_config(model_dir / "config.yaml")
    files = resolve_model_files(model_dir, config)
    gpt, conditioner = _load_gpt(files, config, device, PRECISIONS[precision])
    codec = load_semantic_codec(files.semantic_codec, config.semantic_codec, device)
    acoustic = load_acoustic_model(files.s2mel, config.s2mel, device)
    networks = Networks(
        config=config,
        text=load_text_front_end(
            files.bpe,
            files.phonemes,
            files.glossary,
            verbalizer,
            normalization,
            config.segmentation,
        ),
        gpt=gpt,
        reference=ReferenceNetworks(
            features=load_semantic_features(
                files.w2v_bert, files.w2v_stat, config.semantic_layer, device
            ),
            codec=codec,
            style=load_speaker_style(files.campplus, config.s2mel.style_encoder, device),
            conditioner=conditioner,
            acoustic=acoustic,
            preprocess=config.s2mel.preprocess_params,
        ),
        codec=codec,
        vocoder=load_vocoder(files.bigvgan_checkpoint, files.bigvgan_config, device),
        emotions=load_emotion_matrix(files.spk_matrix, files.emo_matrix, config.emo_num, device),
        emotion_reader=EmotionReader(files.qwen, device),
    )
    log.info("loaded %s on %s in %.1f s", model_dir, device, time.perf_counter() - start)
    return networks


def _load_gpt(
    files: ModelFiles, config: ModelConfig, device: torch.device, dtype: torch.dtype
) -> tuple[SemanticGPT, ReferenceConditioner]:
    state = read_state_dict(files.gpt, unwrap=("model",))
    with torch.device("meta"):
        gpt, conditioner = SemanticGPT(config.gpt), ReferenceConditioner(config.gpt)
    load_into(gpt, state, files.gpt, dtype=dtype, device=device)
    # The clips are read once and kept: full precision costs nothing there.
    load_into(conditioner, state, files.gpt, device=device)
    return gpt, conditioner
