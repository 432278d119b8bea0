"""Step ``codec``: semantic features to 512 codes and back.

First without the codebook; then its entries are placed by k-means on what the encoder gives.  From
there each entry follows the running mean of what falls on it (van den Oord et al. 2017), and the
gradient passes straight through.  Entries that nothing falls on are moved to where data is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers.rep_codec import RepCodec
from training.data.corpus import frame_mask, padded
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
from training.nets.heads import MelDecoder, PhonemeHead
from training.nets.trainable import initialise
from training.steps.common import Setting, all_items, semantic_features

REBUILT, MEL, COMMITMENT = 0.5, 1.0, 0.25
KMEANS_ROUNDS, KMEANS_BATCHES = 10, 24
# An entry used less often than this share of an even use, in the running count, is moved.
IDLE, COUNT_DECAY, MOVE_EVERY = 0.05, 0.99, 20


class CodecTask(LearnerTask):
    """See the module."""

    name = "codec"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.schedule, self.seed = setting.recipe.codec, setting.recipe.seed
        sizes = setting.recipe.sizes
        config = sizes.model.semantic_codec
        self._features = semantic_features(setting)
        seed_all(self.seed, self.name)
        self.codec = RepCodec(config)
        self.head = PhonemeHead(config.hidden_size, sizes.model.gpt.number_text_tokens)
        self.mel = MelDecoder(config.hidden_size, len(setting.voices), sizes.bigvgan.num_mels)
        initialise(self.codec)
        initialise(self.mel)
        # The table is moved by :meth:`_follow`, not by the optimiser.
        self.codec.quantizer.codebook.codebook.requires_grad_(False)
        modules = nn.ModuleDict({"codec": self.codec, "head": self.head, "mel": self.mel})
        self._learner = Learner(modules.to(setting.device), self.schedule)
        self._use = torch.ones(config.codebook_size, device=setting.device)

    def advance(self, index: int) -> dict[str, Tensor]:
        s, choose = self._setting, chooser(self.seed, self.name, index)
        if index == s.recipe.quantize_from:
            self._place_entries()
        items = s.train.batch(choose, self.schedule.batch)
        features, lengths = self._batch(items)
        inside = frame_mask(lengths, features.shape[1])
        with autocast(s.device):
            narrow = self._narrow(features)  # [B, T, d]
            if index >= s.recipe.quantize_from:
                chosen, quantised = self._quantise(narrow, inside, index)
            else:
                chosen = quantised = narrow
            wide = self._wide(quantised)
            phoneme = s.phoneme_loss(self.head, wide, lengths, items)
            rebuilt = F.mse_loss(wide[inside].float(), features[inside])
            mel = self._mel_loss(items, wide)
        own, entry = narrow[inside].float(), chosen[inside].float()
        placed = F.mse_loss(own, entry.detach())
        loss = phoneme + REBUILT * rebuilt + MEL * mel + COMMITMENT * placed
        norm = self._learner.update(loss, index)
        used = perplexity(self._use)
        return {
            "phoneme": phoneme.detach(), "rebuilt": rebuilt.detach(), "mel": mel.detach(),
            "placed": placed.detach(), "used": used, "gradient": norm,
        }  # fmt: skip

    def _batch(self, items: Sequence[Item]) -> tuple[Tensor, Tensor]:
        rows = [self._features[item.name] for item in items]
        lengths = torch.tensor([len(row) for row in rows], device=self._setting.device)
        return padded(rows, self._setting.device), lengths

    def _narrow(self, features: Tensor) -> Tensor:
        """What is quantised: [B, T, D] -> [B, T, d].

        The search of the engine looks at directions only, so nothing but the direction may carry
        anything, from the first step on.
        """
        hidden = self.codec.encoder(features).transpose(1, 2)
        return on_sphere(self.codec.quantizer.codebook.in_project(hidden).transpose(1, 2))

    def _wide(self, narrow: Tensor) -> Tensor:
        out: Tensor = self.codec.quantizer.codebook.out_project(narrow.transpose(1, 2))
        return out.transpose(1, 2)

    def _quantise(self, narrow: Tensor, inside: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """The entries, and the same with the gradient of `narrow`."""
        table = self.codec.quantizer.codebook.codebook.weight
        codes = nearest(narrow.detach().float(), table)
        chosen = table.detach()[codes]
        self._follow(table, narrow[inside].detach().float(), codes[inside])
        if index % MOVE_EVERY == 0:
            self._move_idle(table, narrow[inside].detach().float())
        return chosen, narrow + (chosen - narrow).detach()

    @torch.no_grad()
    def _follow(self, table: Tensor, data: Tensor, codes: Tensor) -> None:
        """Move the entries towards the mean of what fell on them."""
        counts = torch.bincount(codes, minlength=len(table)).float()
        sums = torch.zeros_like(table).index_add_(0, codes, data)
        self._use.lerp_(counts, 1 - COUNT_DECAY)
        share = (1 - COUNT_DECAY) / self._use.clamp(min=1e-3)
        table.copy_(on_sphere(table + (sums - counts[:, None] * table) * share[:, None]))

    @torch.no_grad()
    def _move_idle(self, table: Tensor, data: Tensor) -> None:
        idle = (self._use < IDLE * self._use.mean()).nonzero()[:, 0]
        if len(idle):
            rows = torch.randint(len(data), (len(idle),), device=data.device)
            table[idle] = data[rows]
            self._use[idle] = self._use.mean()

    @torch.no_grad()
    def _place_entries(self) -> None:
        choose = chooser(self.seed, self.name, "k-means")
        data = []
        for _ in range(KMEANS_BATCHES):
            features, lengths = self._batch(self._setting.train.batch(choose, self.schedule.batch))
            data.append(self._narrow(features)[frame_mask(lengths, features.shape[1])].float())
        table = self.codec.quantizer.codebook.codebook.weight
        table.copy_(k_means(torch.cat(data), len(table), KMEANS_ROUNDS))

    def _mel_loss(self, items: Sequence[Item], wide: Tensor) -> Tensor:
        """Distance of the mel that the decoder makes of the codes, at the mel's own rate."""
        s = self._setting
        lengths = torch.tensor([item.mel.shape[1] for item in items], device=s.device)
        target = padded([item.mel.T.float() for item in items], s.device)  # [B, F, 80]
        guess = self.mel(wide, s.voice_numbers(items), target.shape[1])
        inside = frame_mask(lengths, target.shape[1])
        return F.l1_loss(guess[inside].float(), target[inside])

    @torch.inference_mode()
    def validate(self) -> Metrics:
        s = self._setting
        wrong = total = 0
        mel = []
        for items in s.valid_batches(self.schedule.batch):
            features, lengths = self._batch(items)
            _, wide = self.codec.quantize(features)
            errors, count = s.phoneme_errors(self.head, wide, lengths, items)
            wrong, total = wrong + errors, total + count
            mel.append(self._mel_loss(items, wide))
        return {
            "phoneme_error": wrong / max(1, total),
            "mel": float(torch.stack(mel).mean()),
            "used": float(perplexity(self._use)),
        }

    def state(self) -> dict[str, Any]:
        return super().state() | {"use": self._use}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._use.copy_(state["use"])

    def weights(self) -> dict[str, Any]:
        found = super().weights()
        return {"codec": found["codec"], "mel": found["mel"]}


def perplexity(use: Tensor) -> Tensor:
    """How many entries, used evenly, would be as many as those that are used."""
    share = use / use.sum()
    return torch.special.entr(share).sum().exp()


def nearest(data: Tensor, table: Tensor) -> Tensor:
    """The codec's own search, by direction: [..., d] and [N, d] -> int64 [...]."""
    return (F.normalize(data, dim=-1) @ F.normalize(table, dim=-1).T).argmax(-1)


def k_means(data: Tensor, entries: int, rounds: int) -> Tensor:
    """Groups by direction; returns the mean of each group, [entries, d]."""
    table = data[torch.randperm(len(data), device=data.device)[:entries]].clone()
    if len(table) < entries:
        table = table.repeat(-(-entries // len(table)), 1)[:entries]
    for _ in range(rounds):
        groups = nearest(data, table)
        counts = torch.bincount(groups, minlength=entries).clamp(min=1)
        sums = torch.zeros_like(table).index_add_(0, groups, data)
        table = torch.where(sums.abs().sum(-1, keepdim=True) > 0, sums / counts[:, None], table)
    return on_sphere(table)


def on_sphere(x: Tensor) -> Tensor:
    """Vectors of mean square one: [..., d]."""
    scale: float = x.shape[-1] ** 0.5
    return F.normalize(x.float(), dim=-1) * scale


def load_codec(setting: Setting) -> RepCodec:
    """The trained codec, on the device, in eval mode."""
    codec = RepCodec(setting.recipe.sizes.model.semantic_codec)
    codec.load_state_dict(load_weights(setting.work, "codec")["codec"])
    return codec.to(setting.device).requires_grad_(False).eval()


@torch.inference_mode()
def code_all(setting: Setting) -> dict[str, Tensor]:
    """Codes of all utterances, int64 [T] each, by name; each computed alone, as in the engine."""
    codec, features = load_codec(setting), semantic_features(setting)
    return {
        item.name: codec.quantize(features[item.name][None].to(setting.device))[0][0].cpu()
        for item in all_items(setting)
    }


def train_codec(setting: Setting, budget: Budget) -> bool:
    """Train, then leave the codes of all utterances; True at the end."""
    finished = train(CodecTask(setting), setting.work, budget)
    if finished and not setting.work.cache("codes").is_file():
        save_tensors(setting.work, "codes", code_all(setting))
    return finished
