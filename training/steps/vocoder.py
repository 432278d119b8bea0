"""Step ``vocoder``: mel to waveform, first by spectral distance, then against critics too."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers.bigvgan import BigVGAN
from indextts.utils.mel import mel_spectrogram
from training.data.corpus import load_cache
from training.data.features import Item
from training.loop import Budget, Learner, LearnerTask, Metrics, chooser, seed_all, train
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
# Share of mels that are the acoustic model's, where it is trained already.
GUESSED = 0.5


class VocoderTask(LearnerTask):
    """See the module."""

    name = "vocoder"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        recipe = setting.recipe
        self.schedule, self.seed = recipe.vocoder, recipe.seed
        self._preprocess = recipe.sizes.model.s2mel.preprocess_params
        self._hop = recipe.sizes.bigvgan.samples_per_frame
        known = setting.work.cache("mels").is_file()
        self._guesses = load_cache(setting.work, "mels", "s2mel") if known else {}
        seed_all(self.seed, self.name)
        self.vocoder = BigVGAN(recipe.sizes.bigvgan)
        make_trainable(self.vocoder)
        initialise(self.vocoder)
        critics = Critics()
        critic_schedule = replace(self.schedule, average=0.0)
        self._learner = Learner(
            nn.ModuleDict({"vocoder": self.vocoder}).to(setting.device), self.schedule, BETAS
        )
        self._critics = Learner(
            nn.ModuleDict({"critics": critics}).to(setting.device), critic_schedule, BETAS
        )

    def advance(self, index: int) -> dict[str, Tensor]:
        s = self._setting
        choose = chooser(self.seed, self.name, index)
        items = s.train.any(choose, self.schedule.batch)
        starts = self._starts(items, choose)
        wave = self._waves(items, starts)  # [B, n]
        mel = self._mel(wave)
        made = self.vocoder(self._heard(items, starts, mel, choose))  # [B, 1, n]
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

    def _starts(self, items: Sequence[Item], choose: random.Random) -> list[int]:
        """First mel frame of a window of each utterance."""
        width = self._setting.recipe.vocoder_frames
        return [choose.randrange(max(1, len(i.wave) // self._hop - width)) for i in items]

    def _waves(self, items: Sequence[Item], starts: Sequence[int]) -> Tensor:
        """The windows, whole mel frames: float32 [B, n]."""
        length = self._setting.recipe.vocoder_frames * self._hop
        rows = []
        for item, start in zip(items, starts, strict=True):
            row = item.wave[start * self._hop :][:length].float() / 32767
            rows.append(F.pad(row, (0, length - len(row))))
        return torch.stack(rows).to(self._setting.device)

    def _heard(
        self, items: Sequence[Item], starts: Sequence[int], mel: Tensor, choose: random.Random
    ) -> Tensor:
        """What the vocoder is given, [B, 80, F]: the true mel, or mostly, where there is one, the
        mel that the acoustic model makes of the same codes.  That one is smooth where it does not
        know; the vocoder learns what such mels sound like.
        """
        rows = list(mel)
        width = mel.shape[-1]
        for row, (item, start) in enumerate(zip(items, starts, strict=True)):
            guess = self._guesses.get(item.name)
            if guess is not None and choose.random() < GUESSED:
                part = guess[:, start : start + width].float().to(mel.device)
                rows[row] = torch.cat((part, mel[row, :, part.shape[1] :]), dim=1)
        return torch.stack(rows)

    def _mel(self, wave: Tensor) -> Tensor:
        return mel_spectrogram(wave, self._preprocess.spect_params, self._preprocess.sr)

    @torch.inference_mode()
    def validate(self) -> Metrics:
        choose = chooser(self.seed, self.name, "valid")
        losses = []
        for items in self._setting.valid_batches(self.schedule.batch):
            wave = self._waves(items, self._starts(items, choose))
            mel = self._mel(wave)
            losses.append((self._mel(self.vocoder(mel)[:, 0]) - mel).abs().mean())
        return {"mel": float(torch.stack(losses).mean())}

    def state(self) -> dict[str, Any]:
        return {"vocoder": self._learner.state(), "critics": self._critics.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._learner.restore(state["vocoder"])
        self._critics.restore(state["critics"])


def train_vocoder(setting: Setting, budget: Budget) -> bool:
    return train(VocoderTask(setting), setting.work, budget)
