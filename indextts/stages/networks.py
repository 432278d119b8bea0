"""All networks of a model directory, loaded onto one device."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from indextts.config import ModelConfig, load_model_config
from indextts.layers.rep_codec import RepCodec
from indextts.model_files import ModelFiles, resolve_model_files
from indextts.request import Normalization
from indextts.stages.acoustic import load_acoustic_model
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.device import PRECISIONS
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
from indextts.utils.skeleton import skeleton

log = logging.getLogger(__name__)


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
    with skeleton():
        gpt, conditioner = SemanticGPT(config.gpt), ReferenceConditioner(config.gpt)
    load_into(gpt, state, files.gpt, dtype=dtype, device=device)
    if device.type == "cpu":
        gpt.suit_processor()
    # The clips are read once and kept: full precision costs nothing there.
    load_into(conditioner, state, files.gpt, device=device)
    return gpt, conditioner
