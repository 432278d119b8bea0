"""Step ``vocoder``: mel to waveform, first by spectral distance, then against critics too.

The generator is given pulses at the true pitch; reading the pitch off the mel is learnt beside it
(``indextts/layers/harmonic_source.py``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers.bigvgan import BigVGAN
from indextts.utils.mel import mel_spectrogram
from training.data.corpus import load_cache
from training.data.features import Item
from training.data.mel_pitch import mel_pitch
from training.loop import Budget, Learner, LearnerTask, Metrics, chooser, seed_all, train
from training.nets.critics import Critics, spectral_loss
from training.nets.judgement import judge
from training.nets.smooth_upsampling import smooth_upsampling
from training.nets.trainable import initialise, make_trainable
from training.steps.common import Setting

MEL, SPECTRAL, ADVERSARIAL, FEATURES = 15.0, 1.0, 1.0, 2.0
BETAS = (0.8, 0.99)
# Of the pitch in octaves, and of the voicing.
PITCH, VOICING = 4.0, 1.0
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
        assert self.vocoder.source is not None, "the recipe's vocoder has a source"
        self._source = self.vocoder.source
        make_trainable(self.vocoder)
        initialise(self.vocoder)
        critic_schedule = replace(self.schedule, average=0.0)
        self._learner = Learner(
            nn.ModuleDict({"vocoder": self.vocoder}).to(setting.device),
            self.schedule,
            BETAS,
            constrain=partial(smooth_upsampling, self.vocoder),
        )
        self._critics = Learner(
            nn.ModuleDict({"critic": Critics()}).to(setting.device), critic_schedule, BETAS
        )

    def advance(self, index: int) -> dict[str, Tensor]:
        s = self._setting
        choose = chooser(self.seed, self.name, index)
        items = s.train.any(choose, self.schedule.batch)
        starts = self._starts(items, choose)
        wave = self._waves(items, starts)  # [B, n]
        mel = self._mel(wave)
        heard = self._heard(items, starts, mel, choose)
        pitch, misread = self._pitch(items, starts, heard)
        made = self._sound(heard, pitch)  # [B, 1, n]
        mel_loss = (self._mel(made[:, 0]) - mel).abs().mean()
        spectral = spectral_loss(wave, made[:, 0])
        loss = MEL * mel_loss + SPECTRAL * spectral
        loss = loss + PITCH * misread["pitch"] + VOICING * misread["voicing"]
        found = {"mel": mel_loss, "spectral": spectral, **misread}
        found = {key: value.detach() for key, value in found.items()}
        if index >= s.recipe.adversarial_from:
            said = judge(self._critics, wave[:, None], made, index)
            loss = loss + ADVERSARIAL * said.generator + FEATURES * said.features
            found["critic"] = said.critic
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

    def _pitch(
        self, items: Sequence[Item], starts: Sequence[int], heard: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The pitch of the windows and whether there is a voice, [2, B, F], and how far the vocoder
        is from reading that off their mels.  Of speech that came without it, it is what is read.
        """
        hertz, logits = self._source.reader(heard)
        read = torch.stack((hertz.detach(), (logits > 0).float()))
        true, known = read.clone(), torch.zeros(len(items), 1, device=heard.device)
        frame_seconds, width = self._hop / self._preprocess.sr, heard.shape[-1]
        for row, (item, start) in enumerate(zip(items, starts, strict=True)):
            found = mel_pitch(item.row.pitch, start + width, frame_seconds)
            if found is not None:
                true[:, row], known[row] = found[:, start:].to(heard.device), 1.0
        inside = true[1] * known
        octaves = (hertz.log2() - true[0].log2()).abs()
        doubt = F.binary_cross_entropy_with_logits(logits, true[1], reduction="none")
        return true, {
            "pitch": (octaves * inside).sum() / inside.sum().clamp(min=1),
            "voicing": (doubt * known).sum() / (known.sum() * width).clamp(min=1),
        }

    def _sound(self, heard: Tensor, pitch: Tensor) -> Tensor:
        """Speak the mels at the given pitch, with fresh noise: [B, 1, n]."""
        noise = torch.randn(len(heard), heard.shape[-1] * self._hop, device=heard.device)
        excitation = self._source.excitation(pitch[0], pitch[1], self._hop, noise)
        return self.vocoder.limit(self.vocoder.signal(heard, excitation))

    def _mel(self, wave: Tensor) -> Tensor:
        return mel_spectrogram(wave, self._preprocess.spect_params, self._preprocess.sr)

    @torch.inference_mode()
    def validate(self) -> Metrics:
        choose = chooser(self.seed, self.name, "valid")
        found = []
        for items in self._setting.valid_batches(self.schedule.batch):
            starts = self._starts(items, choose)
            mel = self._mel(self._waves(items, starts))
            _, misread = self._pitch(items, starts, mel)
            distance = (self._mel(self.vocoder(mel)[:, 0]) - mel).abs().mean()
            found.append(torch.stack((distance, misread["pitch"], misread["voicing"])))
        figures = torch.stack(found).mean(0).tolist()
        return dict(zip(("mel", "pitch", "voicing"), figures, strict=True))

    def state(self) -> dict[str, Any]:
        return {"vocoder": self._learner.state(), "critics": self._critics.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._learner.restore(state["vocoder"])
        self._critics.restore(state["critics"])


def train_vocoder(setting: Setting, budget: Budget) -> bool:
    return train(VocoderTask(setting), setting.work, budget)
