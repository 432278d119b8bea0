"""Step ``vocoder``: mel to waveform, first by spectral distance, then against critics too."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from indextts.layers.bigvgan import BigVGAN
from indextts.utils.mel import mel_spectrogram
from training.config import Schedule
from training.data.features import Item
from training.loop import Budget, Learner, Metrics, chooser, seed_all, train
from training.nets.critics import (
    Critics,
    critic_loss,
    feature_loss,
    generator_loss,
    spectral_loss,
)  # fmt: skip
from training.nets.trainable import initialise, make_trainable
from training.steps.common import Setting

MEL, SPECTRAL, ADVERSARIAL, FEATURES = 15.0, 1.0, 1.0, 2.0
BETAS = (0.8, 0.99)


class VocoderTask:
    """See the module."""

    name = "vocoder"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        recipe = setting.recipe
        self.schedule, self.seed = recipe.vocoder, recipe.seed
        self._preprocess = recipe.sizes.model.s2mel.preprocess_params
        self._hop = recipe.sizes.bigvgan.samples_per_frame
        seed_all(self.seed, self.name)
        self.vocoder = BigVGAN(recipe.sizes.bigvgan)
        make_trainable(self.vocoder)
        initialise(self.vocoder)
        critics = Critics()
        critic_schedule = Schedule(**{**vars(self.schedule), "average": 0.0})
        self._learner = Learner(
            nn.ModuleDict({"vocoder": self.vocoder}).to(setting.device), self.schedule, BETAS
        )
        self._critics = Learner(
            nn.ModuleDict({"critics": critics}).to(setting.device), critic_schedule, BETAS
        )

    def advance(self, index: int) -> dict[str, Tensor]:
        s = self._setting
        choose = chooser(self.seed, self.name, index)
        wave = self._waves(s.train.any(choose, self.schedule.batch), choose)  # [B, n]
        mel = self._mel(wave)
        made = self.vocoder(mel)  # [B, 1, n]
        mel_loss = (self._mel(made[:, 0]) - mel).abs().mean()
        spectral = spectral_loss(wave, made[:, 0])
        loss = MEL * mel_loss + SPECTRAL * spectral
        found = {"mel": mel_loss.detach(), "spectral": spectral.detach()}
        if index >= s.recipe.adversarial_from:
            critics = self._critics.modules["critics"]
            judged = critic_loss(critics(wave[:, None]), critics(made.detach()))
            self._critics.update(judged, index)
            critics.requires_grad_(False)
            inside, real = critics(made), critics(wave[:, None])
            loss = (
                loss + ADVERSARIAL * generator_loss(inside) + FEATURES * feature_loss(real, inside)
            )
            critics.requires_grad_(True)
            found["critic"] = judged.detach()
        found["gradient"] = self._learner.update(loss, index)
        return found

    def _waves(self, items: Sequence[Item], choose: random.Random) -> Tensor:
        """A window of each utterance, whole mel frames: float32 [B, n]."""
        length = self._setting.recipe.vocoder_frames * self._hop
        rows = []
        for item in items:
            start = choose.randrange(max(1, len(item.wave) - length))
            row = item.wave[start : start + length].float() / 32767
            rows.append(torch.nn.functional.pad(row, (0, length - len(row))))
        return torch.stack(rows).to(self._setting.device)

    def _mel(self, wave: Tensor) -> Tensor:
        return mel_spectrogram(wave, self._preprocess.spect_params, self._preprocess.sr)

    @torch.inference_mode()
    def validate(self) -> Metrics:
        choose = chooser(self.seed, self.name, "valid")
        losses = []
        for items in self._setting.valid_batches(self.schedule.batch):
            wave = self._waves(items, choose)
            mel = self._mel(wave)
            losses.append((self._mel(self.vocoder(mel)[:, 0]) - mel).abs().mean())
        return {"mel": float(torch.stack(losses).mean())}

    def state(self) -> dict[str, Any]:
        return {"vocoder": self._learner.state(), "critics": self._critics.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._learner.restore(state["vocoder"])
        self._critics.restore(state["critics"])

    def begin(self, weights: dict[str, Any]) -> None:
        self._learner.begin(weights)

    def weights(self) -> dict[str, Any]:
        return self._learner.weights()


def train_vocoder(setting: Setting, budget: Budget) -> bool:
    return train(VocoderTask(setting), setting.work, budget)
