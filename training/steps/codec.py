"""Step ``codec``: semantic features to speech units.

The codebook and its projection are given (``training/data/units.py``); the encoder in front of them
is taught to name sound, third and melody of each frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers.rep_codec import FactorizedCodebook, RepCodec
from training.data.alignment import IGNORED, is_aligned
from training.data.corpus import Corpus, padded
from training.data.features import Item
from training.data.units import Units, unit_codes
from training.loop import (
    Budget,
    Learner,
    LearnerTask,
    Metrics,
    autocast,
    chooser,
    load_weights,
    seed_all,
    train,
)  # fmt: skip
from training.nets.trainable import initialise
from training.steps.common import Setting, all_items, semantic_features

PARTS = ("sound", "third", "melody")
# An entry has three ones; wide vectors come out with a mean square of about one.
OUT_GAIN = 8.0


class CodecTask(LearnerTask):
    """See the module."""

    name = "codec"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.schedule, self.seed = setting.recipe.codec, setting.recipe.seed
        self._train, self._valid = _aligned(setting.train), _aligned(setting.valid)
        self._features = semantic_features(setting)
        self._codes = unit_codes(all_items(setting), setting.units, setting.usual_pitches)
        seed_all(self.seed, self.name)
        self.codec = RepCodec(setting.recipe.sizes.model.semantic_codec)
        initialise(self.codec)
        give_units(self.codec.quantizer.codebook, setting.units, self.seed)
        modules = nn.ModuleDict({"codec": self.codec})
        self._learner = Learner(modules.to(setting.device), self.schedule)

    def advance(self, index: int) -> dict[str, Tensor]:
        items = self._train.batch(chooser(self.seed, self.name, index), self.schedule.batch)
        with autocast(self._setting.device):
            scores = self._scores(items)
        losses = [
            F.cross_entropy(part.float().transpose(1, 2), wanted, ignore_index=IGNORED)
            for part, wanted in zip(scores, self._wanted(items), strict=True)
        ]
        norm = self._learner.update(torch.stack(losses).sum(), index)
        found = {name: loss.detach() for name, loss in zip(PARTS, losses, strict=True)}
        return {**found, "gradient": norm}

    def _scores(self, items: Sequence[Item]) -> tuple[Tensor, ...]:
        """What the search of the engine compares, by part: [B, T, width] each."""
        features = padded([self._features[i.name] for i in items], self._setting.device)
        hidden = self.codec.encoder(features).transpose(1, 2)
        narrow = self.codec.quantizer.codebook.in_project(hidden).transpose(1, 2)
        return narrow.split(list(self._setting.units.widths), dim=-1)

    def _wanted(self, items: Sequence[Item]) -> list[Tensor]:
        """The right parts, int64 [B, T] each."""
        rows = [self._setting.units.parts(self._codes[item.name]) for item in items]
        return [padded(part, self._setting.device, IGNORED) for part in zip(*rows, strict=True)]

    @torch.inference_mode()
    def validate(self) -> Metrics:
        wrong = torch.zeros(len(PARTS))
        total = 0
        for item in self._valid.items:
            parts = zip(self._scores([item]), self._wanted([item]), strict=True)
            wrong += torch.stack([(s.argmax(-1) != w).sum().cpu() for s, w in parts])
            total += len(item.speech)
        shares = (wrong / total).tolist()
        return {f"{name}_error": share for name, share in zip(PARTS, shares, strict=True)}


def _aligned(corpus: Corpus) -> Corpus:
    items = [item for item in corpus.items if is_aligned(item)]
    if not items:
        raise ValueError(
            "no speech with known ends of the phonemes: take the codec of an exported model "
            "(step import) instead of training one"
        )
    return Corpus(items, items[0].row.split)


@torch.no_grad()
def give_units(codebook: FactorizedCodebook, units: Units, seed: int) -> FactorizedCodebook:
    """Set entries and outward projection, and keep them from learning."""
    codebook.codebook.weight.copy_(units.entries())
    if isinstance(codebook.out_project, nn.Conv1d):
        seed_all(seed, "units")
        wide = codebook.out_project.weight[..., 0]
        codebook.out_project.weight.copy_(OUT_GAIN * nn.init.orthogonal_(wide.clone())[..., None])
        assert codebook.out_project.bias is not None
        codebook.out_project.bias.zero_()
        codebook.out_project.requires_grad_(False)
    codebook.codebook.requires_grad_(False)
    return codebook


def unit_vectors(setting: Setting) -> FactorizedCodebook:
    """Codes to vectors as the trained codec will do it; needs no training."""
    book = FactorizedCodebook(setting.recipe.sizes.model.semantic_codec)
    return give_units(book, setting.units, setting.recipe.seed).to(setting.device).eval()


def load_codec(setting: Setting) -> RepCodec:
    """The trained codec, on the device, in eval mode."""
    codec = RepCodec(setting.recipe.sizes.model.semantic_codec)
    codec.load_state_dict(load_weights(setting.work, "codec")["codec"])
    return codec.to(setting.device).requires_grad_(False).eval()


def all_codes(setting: Setting) -> dict[str, Tensor]:
    """Codes of all utterances, int64 [T] each, by name: read off where the speech is aligned, heard
    by the trained codec elsewhere.
    """
    items = all_items(setting)
    found = unit_codes(items, setting.units, setting.usual_pitches)
    return found | heard_codes(setting, [item for item in items if item.name not in found])


@torch.inference_mode()
def heard_codes(setting: Setting, items: Sequence[Item]) -> dict[str, Tensor]:
    """Codes that the trained codec hears, each utterance alone, as in the engine."""
    if not items:
        return {}
    codec, features = load_codec(setting), semantic_features(setting)
    return {
        item.name: codec.quantize(features[item.name][None].to(setting.device))[0][0].cpu()
        for item in items
    }


def train_codec(setting: Setting, budget: Budget) -> bool:
    return train(CodecTask(setting), setting.work, budget)
