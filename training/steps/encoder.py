"""Step ``encoder``: the speech encoder, so that its output says what is spoken, and how.

A phoneme head makes the hidden state carry the content; a linear reconstruction of the input
makes it keep melody and voice.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.layers.w2v_bert import W2VBertEncoder
from training.data.corpus import frame_mask, lacks, speech_batch
from training.loop import (
    Budget,
    Learner,
    LearnerTask,
    Metrics,
    autocast,
    chooser,
    save_tensors,
    seed_all,
    train,
)
from training.nets.heads import PhonemeHead
from training.nets.trainable import initialise
from training.steps.common import Setting, all_items, encode_all, load_encoder

RECONSTRUCTION = 0.5


class EncoderTask(LearnerTask):
    """See the module."""

    name = "encoder"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.schedule, self.seed = setting.recipe.encoder, setting.recipe.seed
        config = setting.recipe.sizes.w2v_bert
        seed_all(self.seed, self.name)
        self.encoder = W2VBertEncoder(config, config.num_hidden_layers)
        self.head = PhonemeHead(
            config.hidden_size, setting.recipe.sizes.model.gpt.number_text_tokens
        )
        self.reconstruction = nn.Linear(config.hidden_size, config.feature_projection_input_dim)
        initialise(self.encoder)
        modules = nn.ModuleDict(
            {"encoder": self.encoder, "head": self.head, "reconstruction": self.reconstruction}
        ).to(setting.device)
        self._learner = Learner(modules, self.schedule)

    def advance(self, index: int) -> dict[str, Tensor]:
        s = self._setting
        items = s.train.batch(chooser(self.seed, self.name, index), self.schedule.batch)
        batch = speech_batch(items, s.device)
        with autocast(s.device):
            hidden = self.encoder(batch.features, batch.mask)
            phoneme = s.phoneme_loss(self.head, hidden, batch.lengths, items)
            guess = self.reconstruction(hidden)
        inside = frame_mask(batch.lengths, hidden.shape[1])
        rebuilt = F.l1_loss(guess[inside].float(), batch.features[inside])
        norm = self._learner.update(phoneme + RECONSTRUCTION * rebuilt, index)
        return {"phoneme": phoneme.detach(), "rebuilt": rebuilt.detach(), "gradient": norm}

    @torch.inference_mode()
    def validate(self) -> Metrics:
        s = self._setting
        wrong = total = 0
        for items in s.valid_batches(self.schedule.batch):
            batch = speech_batch(items, s.device)
            hidden = self.encoder(batch.features, batch.mask)
            errors, count = s.phoneme_errors(self.head, hidden, batch.lengths, items)
            wrong, total = wrong + errors, total + count
        return {"phoneme_error": wrong / max(1, total)}

    def weights(self) -> dict[str, Any]:
        found = super().weights()
        return {"encoder": found["encoder"], "stats": _statistics(self._setting, self.encoder)}


@torch.inference_mode()
def _statistics(setting: Setting, encoder: W2VBertEncoder) -> dict[str, Tensor]:
    """Mean and variance of the hidden state over the training utterances."""
    encoder.eval()
    total = squares = torch.zeros(())
    count = 0
    for row in encode_all(setting, encoder).values():
        total = total + row.double().sum(0)
        squares = squares + row.double().square().sum(0)
        count += len(row)
    mean = total / count
    # A dimension that never moves must not be blown up.
    variance = (squares / count - mean.square()).clamp(min=1e-6)
    return {"mean": mean.float(), "var": variance.float()}


def train_encoder(setting: Setting, budget: Budget) -> bool:
    """Train, then leave the hidden states of all utterances; True at the end."""
    finished = train(EncoderTask(setting), setting.work, budget)
    if finished and lacks(setting.work, "hidden", all_items(setting)):
        save_tensors(setting.work, "hidden", encode_all(setting, load_encoder(setting)))
    return finished
