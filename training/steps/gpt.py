"""Step ``gpt``: text and reference clips to codes, and the latents that go with them.

Trained as it is used.  In decoding the k-th code is fed back with position k + 1, in the latent
pass with position k (gpt.md 1.2): where the acoustic model hears latents, rows of both kinds are in
every batch.  Where decoding punishes codes that have occurred, the loss is taken from the scores
after that penalty.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from indextts.config import GPTConfig
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.decoding.processors import repetition_penalty
from indextts.stages.semantic_gpt import SemanticGPT
from training.data.alignment import IGNORED
from training.data.corpus import cropped, lacks
from training.data.features import Item
from training.data.lines import Line, line_of
from training.data.units import unit_codes
from training.data.voices import MANNERS
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
from training.nets.guidance import Path, guidance_loss, guided, text_path
from training.nets.shared_rows import (
    code_properties,
    plain_tables,
    share_rows,
    shared_tables,
    symbol_properties,
)
from training.nets.trainable import initialise
from training.steps.codec import all_codes
from training.steps.common import Setting, all_items, semantic_features

# Least semantic frames of a reference clip: 2 s.  The most are the configuration's
# cond_valid_frames, behind which the engine masks a clip too.
MIN_CLIP = 100
LATENT_ROWS = 0.3
# Holds the sum of the exponentiated scores near one: with one beam, decoding applies a penalty to
# raw scores, with several to log-probabilities; so both are the same.
LEVEL = 1e-2
GUIDANCE = 0.8
CORRUPTED = 0.1
# How often, and by how many steps at most, the melody of the past is put higher or lower.
TRANSPOSED, FURTHEST = 0.5, 4
SMOOTHING = 0.02
# How much the emotion vector must tell of the manner, and the rate of the conditioner in that of
# the GPT: its outputs pass a norm, and what runs away in front of that does not come back.
MANNER, CONDITIONER_RATE = 0.1, 0.3
# First values of what the rows of the GPT's tables share, and of its own rows.
SHARED_SCALE = 0.02


class GPTTask(LearnerTask):
    """See the module."""

    name = "gpt"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.schedule, self.seed = setting.recipe.gpt, setting.recipe.seed
        self._config = setting.recipe.sizes.model.gpt
        self._features = semantic_features(setting)
        self._codes = all_codes(setting)
        self._sentences = setting.sentences()
        silent = [item for item in self._sentences.items if item.name not in self._codes]
        self._codes |= unit_codes(silent, setting.units, setting.usual_pitches)
        seed_all(self.seed, self.name)
        self.gpt, self.conditioner = SemanticGPT(self._config), ReferenceConditioner(self._config)
        initialise(self.gpt)
        initialise(self.conditioner)
        steady_subsampling(self.conditioner)
        if setting.recipe.hold_conditioner:
            self.conditioner.requires_grad_(False)
        self.manners = nn.Linear(self._config.model_dim, len(MANNERS))
        self._properties = table_properties(setting)
        for name, table in self._properties.items():
            share_rows(self.gpt.get_submodule(name), table, SHARED_SCALE)
        modules = nn.ModuleDict(
            {"gpt": self.gpt, "conditioner": self.conditioner, "manners": self.manners}
        )
        self._learner = Learner(
            modules.to(setting.device), self.schedule, slower={"conditioner": CONDITIONER_RATE}
        )

    def advance(self, index: int) -> dict[str, Tensor]:
        s, choose = self._setting, chooser(self.seed, self.name, index)
        self.gpt.train()
        items = self._sentences.batch(choose, self.schedule.batch)
        share = LATENT_ROWS if s.recipe.latents else 0.0
        for_latents = [choose.random() < share for _ in items]
        with autocast(s.device):
            conditions, manner = self._conditions(items, choose)
            logits, targets, guidance = self._run(self._lines(items), conditions, for_latents)
        loss, level, right = self._loss(logits, targets)
        total = loss + LEVEL * level + GUIDANCE * guidance + MANNER * manner
        norm = self._learner.update(total, index)
        return {
            "loss": loss.detach(), "guidance": guidance.detach(), "manner": manner.detach(),
            "right": right, "gradient": norm,
        }  # fmt: skip

    def _lines(self, items: Sequence[Item]) -> list[Line]:
        return [line_of(item, self._codes[item.name]) for item in items]

    def _conditions(self, items: Sequence[Item], choose: random.Random) -> tuple[Tensor, Tensor]:
        """Conditioning rows [B, N + 2, D] from another clip of the voice and one of the manner,
        and how badly the emotion vectors tell the manner.
        """
        voices = self._clips([self._setting.train.same_voice(i, choose) for i in items], choose)
        manners = self._clips([self._setting.train.same_manner(i, choose) for i in items], choose)
        latents, emotions = self.conditioner.voice(voices), self.conditioner.emotion(manners)
        names = list(MANNERS)
        wanted = torch.tensor([names.index(i.row.manner) for i in items], device=emotions.device)
        told = F.cross_entropy(self.manners(emotions).float(), wanted)
        pairs = zip(latents.split(1), emotions.split(1), strict=True)
        return torch.cat([self.conditioner.condition(a, b) for a, b in pairs]), told

    def _clips(self, items: Sequence[Item], choose: random.Random) -> Tensor:
        frames = choose.randint(MIN_CLIP, self._config.cond_valid_frames)
        clips = [self._setting.train.clip(item, frames, choose) for item in items]
        rows = [torch.cat([self._features[i.name] for i in clip]) for clip in clips]
        return cropped(rows, frames, choose).to(self._setting.device)

    def _run(
        self, lines: Sequence[Line], conditions: Tensor, for_latents: Sequence[bool]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores [B, n + 1, V] for each code and STOP, what should come [B, n + 1], and how far
        the guided heads look from where they should.
        """
        device, gpt = self._setting.device, self.gpt
        rows, starts, targets = [], [], []
        paths: list[Path | None] = []
        for line, condition, latent in zip(lines, conditions, for_latents, strict=True):
            codes = line.codes.to(device)
            prefix = gpt.prefix(condition, line.ids.to(device))
            heard = self._corrupted(codes) if gpt.training else codes
            rows.append(torch.cat((prefix, code_rows(gpt, heard, latent=latent))))
            starts.append(len(prefix))
            targets.append(F.pad(codes, (0, 1), value=self._config.stop_mel_token))
            paths.append(text_path(line.places, len(condition), len(prefix)))
        hidden, looks = guided(gpt.gpt, pad_sequence(rows, batch_first=True))
        spoken = [h[s : s + len(t)] for h, s, t in zip(hidden, starts, targets, strict=True)]
        logits = gpt.logits(pad_sequence(spoken, batch_first=True))
        guidance = torch.stack([guidance_loss(look, paths) for look in looks]).mean()
        return logits, pad_sequence(targets, batch_first=True, padding_value=IGNORED), guidance

    def _corrupted(self, codes: Tensor) -> Tensor:
        """A wrong past, because in decoding it may be wrong: some codes replaced by others, so that
        what to say next is read from the text; and all of the melody put higher or lower, so that
        its level is taken from the reference clips.
        """
        if float(torch.rand(())) < TRANSPOSED:
            steps = int(torch.randint(-FURTHEST, FURTHEST + 1, ()))
            codes = self._setting.units.transposed(codes, steps)
        other = torch.randint_like(codes, self._config.start_mel_token)
        return torch.where(torch.rand(codes.shape, device=codes.device) < CORRUPTED, other, codes)

    def _loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inside = targets != IGNORED
        wanted, scores = targets[inside], logits[inside].float()
        level = scores.new_zeros(())
        penalty = self._setting.recipe.penalty
        if penalty != 1.0:
            level = scores.logsumexp(-1).square().mean()
            seen = seen_codes(targets, self._config)[inside]
            scores = repetition_penalty(scores.log_softmax(-1), seen, penalty)
        smoothing = SMOOTHING if self.gpt.training else 0.0
        loss = F.cross_entropy(scores, wanted, label_smoothing=smoothing)
        right = (scores.argmax(-1) == wanted).float().mean()
        return loss, level, right

    @torch.inference_mode()
    def validate(self) -> Metrics:
        choose = chooser(self.seed, self.name, "valid")
        self.gpt.eval()
        found = []
        for items in self._setting.valid_batches(self.schedule.batch):
            conditions, manner = self._conditions(items, choose)
            logits, targets, guidance = self._run(
                self._lines(items), conditions, [False] * len(items)
            )
            loss, _, right = self._loss(logits, targets)
            found.append(torch.stack((loss, right, guidance, manner)))
        figures = torch.stack(found).mean(0).tolist()
        return dict(zip(("loss", "right", "guidance", "manner"), figures, strict=True))

    def begin(self, weights: dict[str, Any]) -> None:
        super().begin(weights | {"gpt": shared_tables(weights["gpt"], self._properties)})

    def weights(self) -> dict[str, Any]:
        found = super().weights()
        return {
            "gpt": plain_tables(found["gpt"], self._properties),
            "conditioner": found["conditioner"],
        }


def steady_subsampling(conditioner: ReferenceConditioner) -> None:
    """Keep the biases behind the two subsamplings from learning.

    They are scaled up and then normalised: once large, they are all that the rest can see.
    """
    for encoder in (conditioner.conditioning_encoder, conditioner.emo_conditioning_encoder):
        layer = encoder.embed.out[0]
        assert isinstance(layer, nn.Linear)
        layer.bias.requires_grad_(False).zero_()


def table_properties(setting: Setting) -> dict[str, Tensor]:
    """What the rows of the GPT's tables have in common, by module."""
    config = setting.recipe.sizes.model.gpt
    codes = code_properties(setting.units, config.number_mel_codes)
    texts = symbol_properties(setting.names, config.number_text_tokens + 1)
    return {"text_embedding": texts, "mel_embedding": codes, "mel_head": codes}


def code_rows(gpt: SemanticGPT, codes: Tensor, *, latent: bool) -> Tensor:
    """Inputs of START and the codes, [n + 1, D], with the positions of one of the two passes."""
    tokens = F.pad(codes, (1, 0), value=gpt.config.start_mel_token)
    places = torch.arange(len(tokens), device=codes.device)
    if not latent:
        places = places + (places > 0).long()
    rows: Tensor = gpt.mel_embedding(tokens) + gpt.mel_pos_embedding.emb(places)
    return rows


def seen_codes(targets: Tensor, config: GPTConfig) -> Tensor:
    """Ids that the penalty acts on before each target, bool [B, n, V] (gpt.md 4.1)."""
    codes = targets.clamp(min=0)
    once = F.one_hot(codes, config.number_mel_codes).to(torch.int32)
    seen = (once.cumsum(1) - once) > 0
    seen[..., [1, config.start_mel_token]] = True
    return seen


def load_gpt(setting: Setting) -> tuple[SemanticGPT, ReferenceConditioner]:
    """Both parts of the trained GPT, on the device, in eval mode."""
    config = setting.recipe.sizes.model.gpt
    weights = load_weights(setting.work, "gpt")
    gpt, conditioner = SemanticGPT(config), ReferenceConditioner(config)
    gpt.load_state_dict(weights["gpt"])
    conditioner.load_state_dict(weights["conditioner"])
    for module in (gpt, conditioner):
        module.to(setting.device).requires_grad_(False).eval()
    return gpt, conditioner


@torch.inference_mode()
def latent_all(setting: Setting) -> dict[str, Tensor]:
    """Latents of all utterances with another clip of the voice, float16 [n, D], by name."""
    gpt, conditioner = load_gpt(setting)
    features, codes = semantic_features(setting), all_codes(setting)
    longest = setting.recipe.sizes.model.gpt.cond_valid_frames
    found: dict[str, Tensor] = {}
    for item in all_items(setting):
        choose = chooser(setting.recipe.seed, "latents", item.name)
        voice, manner = (
            features[clip.name][None, :longest].to(setting.device)
            for clip in (
                setting.train.same_voice(item, choose), setting.train.same_manner(item, choose)
            )
        )  # fmt: skip
        condition = conditioner.condition(conditioner.voice(voice), conditioner.emotion(manner))
        rows = gpt.latents(
            [condition[0]], [item.ids.to(setting.device)], [codes[item.name].to(setting.device)]
        )
        found[item.name] = rows[0].half().cpu()
    return found


def train_gpt(setting: Setting, budget: Budget) -> bool:
    """Train, then leave the latents of all utterances if wanted; True at the end."""
    finished = train(GPTTask(setting), setting.work, budget)
    wanted = finished and setting.recipe.latents
    if wanted and lacks(setting.work, "latents", all_items(setting)):
        save_tensors(setting.work, "latents", latent_all(setting))
    return finished
