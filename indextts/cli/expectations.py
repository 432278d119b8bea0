"""Which keys and shapes the engine expects in each checkpoint.

One function for each file, in :data:`EXPECTATIONS`, under the name of the file's field in
ModelFiles.  The modules of the engine say what they load; they are built without memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from torch import nn

from indextts.config import ModelConfig
from indextts.layers.bigvgan import BigVGAN
from indextts.layers.campplus import CAMPPlus
from indextts.layers.rep_codec import RepCodec
from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.network_configs import load_bigvgan_config, load_w2v_bert_config
from indextts.stages.acoustic import AcousticModel
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.file_shapes import BARE_TENSOR, Shape
from indextts.utils.skeleton import skeleton

Shapes = dict[str, Shape]
Expectation = Callable[[ModelConfig, tuple[Path, ...]], Shapes]


def shapes_of_module(build: Callable[[], nn.Module], prefix: str = "") -> Shapes:
    """Key -> shape of everything a module loads; it is built without memory for its weights."""
    with skeleton():
        module = build()
    return {prefix + key: tuple(value.shape) for key, value in module.state_dict().items()}


def gpt_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """gpt.md 3: what reads the clips, and what reads the text."""
    return shapes_of_module(lambda: ReferenceConditioner(config.gpt)) | shapes_of_module(
        lambda: SemanticGPT(config.gpt)
    )


def s2mel_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """s2mel.md 5, under our own names."""
    return shapes_of_module(lambda: AcousticModel(config.s2mel))


def semantic_codec_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """codec_and_speaker.md 1."""
    return shapes_of_module(lambda: RepCodec(config.semantic_codec))


def campplus_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """codec_and_speaker.md 2."""
    return shapes_of_module(lambda: CAMPPlus(config.s2mel.style_encoder))


def w2v_bert_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """audio.md 5; the layers behind the one we listen to are not needed."""
    encoder = load_w2v_bert_config(files[0])
    return shapes_of_module(lambda: W2VBertEncoder(encoder, config.semantic_layer))


def bigvgan_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """vocoder.md 1; the filters of the activations are computed where a file has none."""
    vocoder = load_bigvgan_config(files[0])
    shapes = shapes_of_module(lambda: BigVGAN(vocoder))
    return {key: shape for key, shape in shapes.items() if not key.endswith(".filter")}


def w2v_stat_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """Mean and variance of the speech features (audio.md 5)."""
    return {"mean": (config.gpt.semantic_dim,), "var": (config.gpt.semantic_dim,)}


def emo_matrix_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """Emotion vectors, one row for each example (pipeline.md 3)."""
    return {BARE_TENSOR: (sum(config.emo_num), config.gpt.model_dim)}


def spk_matrix_shapes(config: ModelConfig, files: tuple[Path, ...]) -> Shapes:
    """Speaker styles of the same examples (pipeline.md 3)."""
    return {BARE_TENSOR: (sum(config.emo_num), config.s2mel.style_encoder.dim)}


EXPECTATIONS: Mapping[str, Expectation] = MappingProxyType(
    {
        "gpt": gpt_shapes,
        "s2mel": s2mel_shapes,
        "semantic_codec": semantic_codec_shapes,
        "campplus": campplus_shapes,
        "w2v_bert": w2v_bert_shapes,
        "bigvgan": bigvgan_shapes,
        "w2v_stat": w2v_stat_shapes,
        "emo_matrix": emo_matrix_shapes,
        "spk_matrix": spk_matrix_shapes,
    }
)

# Wrapping dictionaries of the official files, outermost first.
WRAPPERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"gpt": ("model",), "s2mel": ("net", "models"), "bigvgan": ("generator",)}
)
