"""Step ``export``: a model directory in the official layout, in half precision.

config.yaml, bpe.model, phonemes.txt.gz, gpt.safetensors, s2mel.safetensors,
wav2vec2bert_stats.safetensors, feat1.safetensors, feat2.safetensors, MODEL_CARD.md
training.json  what ``import`` must know; the engine does not read it
hf_cache/  the four models that the official release takes from other projects
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from indextts.config import ModelConfig
from indextts.stages.text.phonemes import PHONEME_FILE
from indextts.stages.text.tokenizer import Tokenizer
from training.config import Recipe
from training.data.corpus import load_cache
from training.loop import load_weights
from training.model_card import write_card
from training.steps.emotion import EmotionGain
from training.vocabulary import vocabulary_file
from training.workspace import Workspace

log = logging.getLogger(__name__)

MAX_BYTES = 45_000_000
# A score that no code can be behind.
NEVER = -100.0
GENERATOR = "bigvgan_generator.safetensors"


def export_model(work: Workspace, recipe: Recipe, folder: Path) -> int:
    """Write the directory; returns its size in bytes.

    Raises:
        FileNotFoundError: a part is not trained yet.
        ValueError: a weight is not finite in half precision, the vocabulary does not fit the
            GPT, or the directory is too large.
    """
    weights = {
        step: load_weights(work, step)
        for step in ("encoder", "codec", "vocoder", "style", "gpt", "s2mel")
    }
    emotions = load_cache(work, "emotions", "emotion")
    cache = folder / "hf_cache"
    for name in ("w2v-bert-2.0", "bigvgan"):
        (cache / name).mkdir(parents=True, exist_ok=True)
    sizes = recipe.sizes
    model = _at_pace(_with_vocabulary(sizes.model, vocabulary_file(work)), recipe.pace)
    shutil.copyfile(vocabulary_file(work), folder / "bpe.model")
    shutil.copyfile(work.lexicon, folder / PHONEME_FILE)
    plain = json.loads(json.dumps(asdict(model)))
    (folder / "config.yaml").write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    _json(cache / "w2v-bert-2.0" / "config.json", asdict(sizes.w2v_bert))
    _json(cache / "w2v-bert-2.0" / "preprocessor_config.json", {})
    _json(cache / "bigvgan" / "config.json", asdict(sizes.bigvgan))
    gpt = _without_start(weights["gpt"]["gpt"], sizes.model.gpt.start_mel_token)
    gpt["text_embedding.weight"] = gpt["text_embedding.weight"][: model.gpt.number_text_tokens + 1]
    gain = EmotionGain(recipe.emotion_gain, emotions["usual"])
    gain.record(folder)
    _save(gpt | gain.conditioner(weights["gpt"]["conditioner"]), folder / "gpt.safetensors")
    _save(weights["s2mel"]["s2mel"], folder / "s2mel.safetensors")
    _save(weights["encoder"]["stats"], folder / "wav2vec2bert_stats.safetensors", torch.float32)
    _save({"feat1": emotions["styles"]}, folder / "feat1.safetensors")
    _save({"feat2": gain.vectors(emotions["vectors"])}, folder / "feat2.safetensors")
    _save(weights["encoder"]["encoder"], cache / "w2v-bert-2.0" / "model.safetensors")
    _save(weights["codec"]["codec"], cache / "semantic_codec_model.safetensors")
    _save(weights["style"]["style"], cache / "campplus.safetensors")
    _save(_without_filters(weights["vocoder"]["vocoder"]), cache / "bigvgan" / GENERATOR)
    write_card(work, recipe, folder / "MODEL_CARD.md")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    log.info("%s: %.1f MB", folder, size / 1e6)
    if size > MAX_BYTES:
        raise ValueError(f"{folder} has {size} bytes, more than {MAX_BYTES}")
    return size


def _with_vocabulary(config: ModelConfig, path: Path) -> ModelConfig:
    """The configuration with as many text tokens as there are; the recipe may have spare ones."""
    size = Tokenizer(path).size
    if size > config.gpt.number_text_tokens:
        raise ValueError(
            f"{path} has {size} pieces, the GPT knows {config.gpt.number_text_tokens}: "
            "raise text_tokens in training/config.py"
        )
    return replace(config, gpt=replace(config.gpt, number_text_tokens=size))


def _at_pace(config: ModelConfig, pace: float) -> ModelConfig:
    """The configuration with more mel frames for each code where the pace is below 1."""
    frames = round(config.s2mel.frames_per_code / pace, 3)
    return replace(config, s2mel=replace(config.s2mel, frames_per_code=frames))


def _without_start(state: Mapping[str, Tensor], start: int) -> dict[str, Tensor]:
    """START is no code.  Never a target, it is unlikely anyway; this rules it out also
    where the penalty, which acts on raw scores with one beam, changes the order.
    """
    weight, bias = (state[f"mel_head.{name}"].clone() for name in ("weight", "bias"))
    weight[start] = 0.0
    bias[start] = NEVER
    return {**state, "mel_head.weight": weight, "mel_head.bias": bias}


def _without_filters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loader computes them."""
    return {key: value for key, value in state.items() if not key.endswith(".filter")}


def _save(state: Mapping[str, Tensor], path: Path, dtype: torch.dtype = torch.float16) -> None:
    halves = {
        key: value.to(dtype).contiguous() if value.is_floating_point() else value
        for key, value in state.items()
    }
    for key, value in halves.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ValueError(f"{path.name}: {key} is not finite as {dtype}")
    save_file(halves, path)
    # The library makes files that only their owner can read.
    path.chmod(0o644)


def _json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
