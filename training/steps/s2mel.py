"""Step ``s2mel``: codes and latents to mel by conditional flow matching (Lipman et al. 2022).

As in the engine: a prompt of the same voice stands in front, its mel is given, and the rest is
made.  Now and then all conditions are left out, which the guidance needs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from indextts.stages.acoustic import AcousticModel, PromptCondition, frames_of
from training.data.corpus import frame_mask, lacks, load_cache
from training.data.features import Item
from training.loop import (
    Budget,
    Learner,
    LearnerTask,
    Metrics,
    autocast,
    chooser,
    load_weights,
    save_tensors,
    seed_all,
    train,
)  # fmt: skip
from training.nets.critics import MelCritic
from training.nets.judgement import Judgement, judge
from training.nets.trainable import initialise
from training.steps.codec import all_codes, unit_vectors
from training.steps.common import Setting

SIGMA = 1e-6
# Codes of a prompt: 0.3 to 0.7 s.  Reference clips of users are longer, and frames at
# distances that were never trained are a surprise; so some batches have prompts of up to 6 s.
MIN_PROMPT, MAX_PROMPT = 15, 35
LONG_PROMPTS, LONGEST_PROMPT = 0.12, 300
# Times are drawn as powers of even ones.  A mel is several times as loud as the noise it is mixed
# with, so from a fifth of the way on it can be read from the mixture and the codes teach nothing;
# half of all examples lie before a tenth, where the first steps of the sampler are.
TIME_POWER = 3
# The critic of a single step's mels: frames that it is shown, its weight, its momentum.
PATCH_FRAMES, ADVERSARIAL, CRITIC_BETAS = 96, 0.1, (0.5, 0.9)
# Greatest share of wrong codes in a prompt.
PROMPT_ERRORS = 0.6
# Share of the utterances whose codes have the faults of drawn ones.
UNEVEN = 0.5


@dataclass(frozen=True, eq=False)
class FlowBatch:
    """Rows of prompt and speech.

    Attributes:
        mu: float32 [B, T, C].
        mel: float32 [B, 80, T], of both.
        lengths: int64 [B].
        prompts: int64 [B], frames of the prompt.
        style: float32 [B, S], of the prompt's clip.
    """

    mu: Tensor
    mel: Tensor
    lengths: Tensor
    prompts: Tensor
    style: Tensor


class S2MelTask(LearnerTask):
    """See the module."""

    name = "s2mel"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.schedule, self.seed = setting.recipe.s2mel, setting.recipe.seed
        self._config = setting.recipe.sizes.model.s2mel
        self._codes = all_codes(setting)
        self._latents = (
            load_cache(setting.work, "latents", "gpt") if setting.recipe.latents else None
        )
        self._styles = load_cache(setting.work, "styles", "style")
        self._book = unit_vectors(setting)
        seed_all(self.seed, self.name)
        self.s2mel = AcousticModel(self._config)
        initialise(self.s2mel)
        if self._latents is None:
            silence(self.s2mel.gpt_layer)
        modules = nn.ModuleDict({"s2mel": self.s2mel})
        self._learner = Learner(modules.to(setting.device), self.schedule)
        critic = nn.ModuleDict({"critic": MelCritic()})
        self._critic = Learner(
            critic.to(setting.device), replace(self.schedule, average=0.0), CRITIC_BETAS
        )

    def advance(self, index: int) -> dict[str, Tensor]:
        s, choose = self._setting, chooser(self.seed, self.name, index)
        items = s.related.batch(choose, self.schedule.batch)
        drop = torch.rand(len(items), device=s.device) < self._config.DiT.class_dropout_prob
        batch = self._batch(items, choose, UNEVEN)
        with autocast(s.device):
            loss, guess = self._loss(batch, drop)
        found = {"loss": loss.detach()}
        if self._config.diffusion_steps == 1 and index >= s.recipe.sharpen_from:
            said = self._judge(batch, guess, choose, index)
            found["critic"] = said.critic
            # What the critic sees weighs as much as the distance itself (Yang et al. 2021).
            balance = loss.detach() / said.features.detach()
            loss = loss + ADVERSARIAL * said.generator + balance * said.features
        return found | {"gradient": self._learner.update(loss, index)}

    def _judge(
        self, batch: FlowBatch, guess: Tensor, choose: random.Random, index: int
    ) -> Judgement:
        """Show the critic a patch of every row, behind its prompt."""
        ends = zip(batch.prompts.tolist(), batch.lengths.tolist(), strict=True)
        spans = [range(first, last) for first, last in ends]
        width = min(PATCH_FRAMES, *map(len, spans))
        starts = [span[choose.randrange(len(span) - width + 1)] for span in spans]
        real, made = (
            torch.stack([m[:, s : s + width] for m, s in zip(mels, starts, strict=True)])
            for mels in (batch.mel, guess.float())
        )
        return judge(self._critic, real, made, index)

    def _batch(
        self, items: Sequence[Item], choose: random.Random, uneven: float = 0.0
    ) -> FlowBatch:
        device, corpus = self._setting.device, self._setting.related
        rows, mels, prompts, styles = [], [], [], []
        longest = LONGEST_PROMPT if choose.random() < LONG_PROMPTS else MAX_PROMPT
        for item in items:
            clip = corpus.same_voice(item, choose)
            count = choose.randint(MIN_PROMPT, longest)
            front_mu, front_mel = self._prompt(corpus.clip(clip, count, choose), count)
            mu, mel = self._speech(item, uneven=uneven > 0 and choose.random() < uneven)
            rows.append(torch.cat((front_mu, mu)))
            mels.append(torch.cat((front_mel, mel)))
            prompts.append(len(front_mel))
            styles.append(self._styles[clip.name])
        return FlowBatch(
            mu=pad_sequence(rows, batch_first=True),
            mel=pad_sequence(mels, batch_first=True).transpose(1, 2),
            lengths=torch.tensor([len(row) for row in rows], device=device),
            prompts=torch.tensor(prompts, device=device),
            style=torch.stack(styles).to(device),
        )

    def guess(self, item: Item, clip: Item) -> Tensor:
        """The mel of the utterance as the engine makes it, behind a clip: float32 [80, F]."""
        device = self._setting.device
        embedded = self._vectors(self._codes[item.name])
        latents = torch.zeros(len(embedded), self._config.gpt_layer[0], device=device)
        if self._latents is not None:
            latents = self._latents[item.name].float()
        prompt = PromptCondition(
            condition=self.s2mel.prompt_condition(
                self._vectors(self._codes[clip.name])[None], clip.mel.shape[1]
            ),
            mel=clip.mel.float()[None],
            style=self._styles[clip.name][None],
        )
        made = self.s2mel.mels([latents], [embedded], prompt, self._noise)[0]
        return made[:, : item.mel.shape[1]]

    def _noise(self, _: int, frames: int) -> Tensor:
        return torch.randn(1, self._config.DiT.in_channels, frames)

    def _prompt(self, clips: Sequence[Item], count: int) -> tuple[Tensor, Tensor]:
        """Condition and mel of the first codes of joined clips, [Tr, C] and [Tr, 80]; of all codes
        where there are fewer.
        """
        codes = torch.cat([self._codes[clip.name] for clip in clips])
        mel = torch.cat([clip.mel for clip in clips], dim=1)
        count = min(count, len(codes))
        frames = max(1, mel.shape[1] * count // len(codes))
        embedded = self._vectors(self._misheard(codes[:count]))
        mu = self.s2mel.length_regulator.rows([embedded], [frames])[0]
        return mu, mel[:, :frames].T.float().to(self._setting.device)

    def _speech(self, item: Item, *, uneven: bool) -> tuple[Tensor, Tensor]:
        """The same of a whole utterance, with the latents; what is longer is cut."""
        device, codes = self._setting.device, self._codes[item.name]
        features = self._vectors(self._setting.units.uneven(codes) if uneven else codes)
        if self._latents is not None:
            latents = self._latents[item.name].float().to(device)
            features = features + self.s2mel.gpt_layer(latents)
        frames = frames_of(len(features), self._config.frames_per_code)
        mu = self.s2mel.length_regulator.rows([features], [frames])[0]
        mel = item.mel.T.float().to(device)
        both = min(len(mu), len(mel))
        return mu[:both], mel[:both]

    def _misheard(self, codes: Tensor) -> Tensor:
        """Some codes replaced by others of the clip.

        The speech encoder knows the training clips better than those of strangers; the model must
        not trust the codes of a prompt more than they deserve there.
        """
        wrong = torch.rand(len(codes)) < float(torch.rand(())) * PROMPT_ERRORS
        return torch.where(wrong, codes[torch.randint(len(codes), (len(codes),))], codes)

    @torch.no_grad()
    def _vectors(self, codes: Tensor) -> Tensor:
        """int64 [n] -> the codec's vectors [n, H]."""
        return self._book.lookup(codes[None].to(self._setting.device))[0].T

    def _loss(self, batch: FlowBatch, drop: Tensor) -> tuple[Tensor, Tensor]:
        """Distance of the velocity, over the frames behind the prompt, and the velocity, which is
        the mel where a single step starts from nothing.
        """
        total = batch.mel.shape[-1]
        front = frame_mask(batch.prompts, total)[:, None]
        inside = frame_mask(batch.lengths, total)[:, None] & ~front
        config = self._config
        noise = torch.randn_like(batch.mel) * config.noise_scale
        t = torch.rand(len(batch.mel), device=batch.mel.device) ** TIME_POWER
        if config.diffusion_steps == 1:
            t = torch.zeros_like(t)
        place = t[:, None, None]
        noisy = ((1 - (1 - SIGMA) * place) * noise + place * batch.mel) * ~front
        velocity = batch.mel - (1 - SIGMA) * noise
        keep = (~drop).float()
        guess = self.s2mel.cfm.estimator(
            noisy,
            batch.mel * front * keep[:, None, None],
            batch.lengths,
            t,
            batch.style * keep[:, None],
            batch.mu * keep[:, None, None],
        )
        error = guess.float() - velocity
        # A single step cannot choose among likely mels: the median is sharper than the mean.
        error = error.abs() if config.diffusion_steps == 1 else error.square()
        return (error * inside).sum() / (inside.sum() * guess.shape[1]), guess

    @torch.inference_mode()
    def validate(self) -> Metrics:
        choose = chooser(self.seed, self.name, "valid")
        losses = []
        for items in self._setting.valid_batches(self.schedule.batch):
            drop = torch.zeros(len(items), dtype=torch.bool, device=self._setting.device)
            losses.append(self._loss(self._batch(items, choose), drop)[0])
        return {"loss": float(torch.stack(losses).mean())}

    def state(self) -> dict[str, Any]:
        return {"s2mel": self._learner.state(), "critic": self._critic.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._learner.restore(state["s2mel"])
        self._critic.restore(state["critic"])


@torch.no_grad()
def silence(layers: nn.Sequential) -> None:
    """Make the layers give nothing, and keep them from learning."""
    for parameter in layers[-1].parameters():
        parameter.zero_()
    layers.requires_grad_(False)


@torch.inference_mode()
def mel_all(setting: Setting) -> dict[str, Tensor]:
    """Mels of all training utterances behind another clip of the voice, float16 [80, F], by name;
    in time with the real ones.
    """
    task, work = S2MelTask(setting), setting.work
    model = task.s2mel
    model.load_state_dict(load_weights(work, "s2mel")["s2mel"])
    found: dict[str, Tensor] = {}
    for item in setting.train.items:
        seed_all(setting.recipe.seed, "mels", item.name)
        choose = chooser(setting.recipe.seed, "mels", item.name)
        found[item.name] = task.guess(item, setting.train.same_voice(item, choose)).half().cpu()
    return found


def train_s2mel(setting: Setting, budget: Budget) -> bool:
    """Train, then leave the mels that it makes of the training utterances; True at the end."""
    finished = train(S2MelTask(setting), setting.work, budget)
    if finished and lacks(setting.work, "mels", setting.train.items):
        save_tensors(setting.work, "mels", mel_all(setting))
    return finished
