"""All networks of a model directory, loaded onto a device; those that read clips may be on the
CPU."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from indextts.config import ModelConfig, load_model_config
from indextts.layers.reduced import Reduced
from indextts.layers.rep_codec import RepCodec
from indextts.model_files import ModelFiles, resolve_model_files
from indextts.request import Normalization
from indextts.stages.acoustic import load_acoustic_model
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.device import PRECISIONS, choose_encoders
from indextts.stages.emotion import EmotionMatrix, load_emotion_matrix
from indextts.stages.emotion_text import EmotionReader
from indextts.stages.reduction import Reduction, gains, with_own_modules
from indextts.stages.reference import ReferenceNetworks
from indextts.stages.semantic_codec import load_semantic_codec
from indextts.stages.semantic_features import load_semantic_features
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.stages.speaker_style import load_speaker_style
from indextts.stages.text import TextFrontEnd, load_text_front_end
from indextts.stages.vocoder import Vocoder, load_vocoder
from indextts.utils.checkpoint import load_into, read_state_dict
from indextts.utils.mapped_pages import MappedPages
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
    weights: Reduced | None = None,
    beside: Networks | None = None,
    encoders_device: str = "auto",
) -> Networks:
    """Read a model directory.

    Args:
        model_dir: the directory.
        device, precision, verbalizer, normalization: see :class:`indextts.infer_v2.IndexTTS2`.
        weights: format of large matrices; None leaves them as they are.
        beside: networks of the same directory on the same device with other such weights, which
            lend what is equal.
        encoders_device: see :func:`indextts.stages.device.choose_encoders`.

    Raises:
        ModelFileError: a file is missing, damaged or of another model.
        ConfigError: ``config.yaml`` describes a model that we cannot run.
    """
    start = time.perf_counter()
    config = load_model_config(model_dir / "config.yaml")
    files = resolve_model_files(model_dir, config)
    encoders = choose_encoders(encoders_device, device, files.weight_bytes)
    if encoders != device:
        log.info("clips are read on %s: the GPU holds what speaks", encoders)
    reduction = Reduction(weights)
    # Each is reduced before the next one is read, so that both need never be held in full.
    gpt, conditioner = _load_gpt(
        files, config, (device, encoders), PRECISIONS[precision], reduction
    )
    features = load_semantic_features(
        files.w2v_bert, files.w2v_stat, config.semantic_layer, encoders
    )
    reduction.features(features)
    acoustic = load_acoustic_model(files.s2mel, config.s2mel, device)
    reduction.acoustic(acoustic)
    if beside is not None:
        reference = replace(
            beside.reference, features=features, acoustic=acoustic, conditioner=conditioner
        )
        return replace(beside, gpt=gpt, reference=reference)
    codec = load_semantic_codec(files.semantic_codec, config.semantic_codec, encoders)
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
            features=features,
            codec=codec,
            style=load_speaker_style(files.campplus, config.s2mel.style_encoder, encoders),
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


def gains_reduced(networks: Networks, weights: Reduced) -> bool:
    """Whether anything of the networks is, or would be, faster in a reduced format."""
    reference = networks.reference
    return gains(
        weights, networks.gpt, reference.features, reference.conditioner, reference.acoustic
    )


def reduced_copy(networks: Networks, weights: Reduced) -> Networks:
    """The same with large matrices in another format; all else is shared."""
    reduction = Reduction(weights)
    gpt = with_own_modules(networks.gpt)
    reduction.gpt(gpt)
    features = copy.copy(networks.reference.features)
    features.encoder = with_own_modules(features.encoder)
    reduction.features(features)
    acoustic = with_own_modules(networks.reference.acoustic)
    reduction.acoustic(acoustic)
    conditioner = with_own_modules(networks.reference.conditioner)
    reduction.conditioner(conditioner)
    reference = replace(
        networks.reference, features=features, acoustic=acoustic, conditioner=conditioner
    )
    return replace(networks, gpt=gpt, reference=reference)


def _load_gpt(
    files: ModelFiles,
    config: ModelConfig,
    devices: tuple[torch.device, torch.device],
    dtype: torch.dtype,
    reduction: Reduction,
) -> tuple[SemanticGPT, ReferenceConditioner]:
    """The GPT on the first device, and what reads the clips for it on the second."""
    device, encoders = devices
    state = read_state_dict(files.gpt, unwrap=("model",))
    with skeleton():
        gpt, conditioner = SemanticGPT(config.gpt), ReferenceConditioner(config.gpt)
    load_into(gpt, state, files.gpt, dtype=dtype, device=device)
    reduction.gpt(gpt)
    if device.type == "cpu":
        gpt.suit_processor(MappedPages().let_go)
    # The clips are read once and kept: full precision costs nothing there.
    load_into(conditioner, state, files.gpt, device=encoders)
    reduction.conditioner(conditioner)
    return gpt, conditioner
