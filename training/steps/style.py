"""Step ``style``: the speaker encoder, taught to tell the training voices apart."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from indextts.layers.campplus import CAMPPlus
from training.data.corpus import cropped, lacks
from training.data.features import Item
from training.loop import (
    Budget,
    Learner,
    LearnerTask,
    Metrics,
    chooser,
    load_weights,
    save_tensors,
    seed_all,
    train,
)
from training.nets.heads import VoiceClassifier
from training.nets.trainable import initialise, make_trainable
from training.steps.common import Setting, all_items

# Frames of an example: 1 to 3 s.
MIN_FRAMES, MAX_FRAMES = 100, 300


class StyleTask(LearnerTask):
    """See the module."""

    name = "style"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.schedule, self.seed = setting.recipe.style, setting.recipe.seed
        config = setting.recipe.sizes.model.s2mel.style_encoder
        seed_all(self.seed, self.name)
        self.style = CAMPPlus(config)
        make_trainable(self.style)
        initialise(self.style)
        self.classifier = VoiceClassifier(config.dim, len(setting.voices))
        modules = nn.ModuleDict({"style": self.style, "classifier": self.classifier})
        self._learner = Learner(modules.to(setting.device), self.schedule)

    def advance(self, index: int) -> dict[str, Tensor]:
        s, choose = self._setting, chooser(self.seed, self.name, index)
        items = s.train.any(choose, self.schedule.batch)
        self.style.train()
        styles = self.style(self._windows(items, choose))
        voices = s.voice_numbers(items)
        loss = self.classifier.loss(styles, voices)
        norm = self._learner.update(loss, index)
        right = (self.classifier(styles).argmax(-1) == voices).float().mean()
        return {"loss": loss.detach(), "right": right, "gradient": norm}

    def _windows(self, items: Sequence[Item], choose: random.Random) -> Tensor:
        frames = choose.randint(MIN_FRAMES, MAX_FRAMES)
        return cropped([i.style.float() for i in items], frames, choose).to(self._setting.device)

    @torch.inference_mode()
    def validate(self) -> Metrics:
        s, choose = self._setting, chooser(self.seed, self.name, "valid")
        self.style.eval()
        right = []
        for items in s.valid_batches(self.schedule.batch):
            guess = self.classifier(self.style(self._windows(items, choose))).argmax(-1)
            right.append((guess == s.voice_numbers(items)).float())
        return {"right": float(torch.cat(right).mean())}


@torch.inference_mode()
def style_all(setting: Setting) -> dict[str, Tensor]:
    """Style of each utterance by the whole of it, float32 [dim], by name."""
    style = CAMPPlus(setting.recipe.sizes.model.s2mel.style_encoder)
    style.load_state_dict(load_weights(setting.work, "style")["style"])
    style = style.to(setting.device).eval()
    return {
        item.name: style(item.style.float()[None].to(setting.device))[0].cpu()
        for item in all_items(setting)
    }


def train_style(setting: Setting, budget: Budget) -> bool:
    """Train, then leave the style of all utterances; True at the end."""
    finished = train(StyleTask(setting), setting.work, budget)
    if finished and lacks(setting.work, "styles", all_items(setting)):
        save_tensors(setting.work, "styles", style_all(setting))
    return finished
