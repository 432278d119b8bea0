"""Step ``import``: an exported model directory back into a run, so that training can go on from it.

The exact opposite of ``export``, but for half precision, optimisers and the heads that are only
there for training.  Speech encoder, codec and speaker encoder are taken as they are, and what
later steps need of them is computed; ``gpt``, ``s2mel`` and ``vocoder`` begin with the imported
weights.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from indextts.layers.bigvgan import BigVGAN
from indextts.layers.campplus import CAMPPlus
from indextts.layers.rep_codec import RepCodec
from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.stages.acoustic import AcousticModel
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.stages.text.phonemes import PHONEME_FILE
from indextts.utils.checkpoint import read_safetensors
from training.config import Recipe
from training.loop import save_tensors
from training.nets.trainable import make_trainable
from training.steps.common import Setting, encode_all, load_encoder
from training.steps.emotion import recorded_gain
from training.steps.export import GENERATOR
from training.steps.style import style_all
from training.vocabulary import vocabulary_file
from training.workspace import Workspace, write_atomically


def take_words(work: Workspace, folder: Path) -> None:
    """Lexicon and vocabulary; before ``texts``, so that the ids stay what they are."""
    work.root.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / PHONEME_FILE, work.lexicon)
    shutil.copyfile(folder / "bpe.model", vocabulary_file(work))


def take_weights(work: Workspace, recipe: Recipe, folder: Path) -> None:
    """Weights of all steps.

    Raises:
        ModelFileError: a file is missing or damaged.
        ValueError: the model has other dimensions than the recipe.
    """
    cache, sizes = folder / "hf_cache", recipe.sizes
    gpt = read_safetensors(folder / "gpt.safetensors")
    conditioner = _fitted(ReferenceConditioner(sizes.model.gpt), gpt)
    gain = recorded_gain(folder)
    vocoder = BigVGAN(sizes.bigvgan)
    make_trainable(vocoder)
    generator = read_safetensors(cache / "bigvgan" / GENERATOR)
    found: dict[str, dict[str, dict[str, Tensor]]] = {
        "encoder": {
            "encoder": _fitted(
                W2VBertEncoder(sizes.w2v_bert, sizes.w2v_bert.num_hidden_layers),
                read_safetensors(cache / "w2v-bert-2.0" / "model.safetensors"),
            ),
            "stats": read_safetensors(folder / "wav2vec2bert_stats.safetensors"),
        },
        "codec": {
            "codec": _fitted(
                RepCodec(sizes.model.semantic_codec),
                read_safetensors(cache / "semantic_codec_model.safetensors"),
            )
        },
        "style": {
            "style": _fitted(
                CAMPPlus(sizes.model.s2mel.style_encoder),
                read_safetensors(cache / "campplus.safetensors"),
            )
        },
        "vocoder": {"vocoder": _fitted(vocoder, generator)},
        "gpt": {
            "gpt": _fitted(SemanticGPT(sizes.model.gpt), gpt),
            "conditioner": gain.undone().conditioner(conditioner) if gain else conditioner,
        },
        "s2mel": {
            "s2mel": _fitted(
                AcousticModel(sizes.model.s2mel), read_safetensors(folder / "s2mel.safetensors")
            )
        },
    }
    for step, content in found.items():
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_atomically(work.weights(step), buffer.getvalue())


def make_caches(setting: Setting) -> None:
    """What the imported encoders make of the speech of this run."""
    work = setting.work
    save_tensors(work, "hidden", encode_all(setting, load_encoder(setting)))
    save_tensors(work, "styles", style_all(setting))


TEXT_TABLE = "text_embedding.weight"


def _fitted(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The module's entries out of `state`, float32; the filters of the vocoder are its own."""
    wanted = module.state_dict()
    found = {}
    for key, own in wanted.items():
        value = own if key.endswith(".filter") else state.get(key)
        if key == TEXT_TABLE and value is not None:
            value = torch.cat((value, own[len(value) :]))  # the recipe's spare rows
        if value is None or value.shape != own.shape:
            shape = "missing" if value is None else f"of shape {tuple(value.shape)}"
            raise ValueError(f"{key} is {shape}, the recipe wants {tuple(own.shape)}")
        found[key] = value.to(own.dtype)
    return found
