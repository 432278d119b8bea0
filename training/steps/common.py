"""What the trainings share: the data they start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.stages.text.phonemes import load_lexicon
from indextts.stages.text.tokenizer import Tokenizer
from training.config import Recipe
from training.data.alignment import frame_labels
from training.data.corpus import Corpus, load_cache, speech_batch
from training.data.features import Item, load_items, load_timed
from training.data.spoken import is_relative
from training.data.units import Units, make_units, usual_pitches
from training.loop import load_weights
from training.nets.heads import PhonemeHead
from training.vocabulary import spoken_ids, symbol_names, vocabulary_file
from training.workspace import Workspace

# Held-out sentences that a validation looks at.
VALID_ITEMS = 64


@dataclass(frozen=True, eq=False)
class Setting:
    """A run: where, how large, on what, with which utterances.

    Attributes:
        train, valid: of the split; `valid` falls back to `train` in trials without held-out ones.
        related: `train` and its relatives (step ``relatives``).
        voices: names in the order of their numbers.
        symbols: ids of the vocabulary that are phonemes, not marks.
        names: the symbol of each id of the vocabulary; empty where it is none.
        units: the meaning of codes.
        usual_pitches: of the voices, in Hz.
    """

    work: Workspace
    recipe: Recipe
    device: torch.device
    train: Corpus
    valid: Corpus
    related: Corpus
    voices: tuple[str, ...]
    symbols: frozenset[int]
    names: tuple[str, ...]
    units: Units
    usual_pitches: Mapping[str, float]

    def sentences(self) -> Corpus:
        """`train` and the sentences that have a timing but no sound."""
        timed = load_timed(self.work, Tokenizer(vocabulary_file(self.work)))
        return Corpus([*self.train.items, *timed])

    def voice_numbers(self, items: Sequence[Item]) -> Tensor:
        """int64 [B]."""
        return torch.tensor([self.voices.index(i.row.voice) for i in items], device=self.device)

    def phonemes(self, items: Sequence[Item]) -> list[Tensor]:
        """Phoneme ids of each utterance, without punctuation and word breaks."""
        return [torch.tensor([s for s in item.ids.tolist() if s in self.symbols]) for item in items]

    def phoneme_loss(
        self, head: PhonemeHead, frames: Tensor, lengths: Tensor, items: Sequence[Item]
    ) -> Tensor:
        """How badly frames [B, T, D] tell what is spoken."""
        labels = frame_labels(items, self.device)
        if labels is None:
            return head.loss(frames, lengths, self.phonemes(items))
        return head.frame_loss(frames, labels)

    def phoneme_errors(
        self, head: PhonemeHead, frames: Tensor, lengths: Tensor, items: Sequence[Item]
    ) -> tuple[int, int]:
        """Wrong ones, and how many there are: frames where they are aligned, else phonemes."""
        labels = frame_labels(items, self.device)
        if labels is None:
            return head.errors(frames, lengths, self.phonemes(items))
        return head.frame_errors(frames, labels)

    def valid_batches(self, size: int) -> list[list[Item]]:
        """The held-out utterances in fixed batches."""
        items = self.valid.items[:: max(1, len(self.valid.items) // VALID_ITEMS)]
        return [items[i : i + size] for i in range(0, len(items), size)]


def open_setting(work: Workspace, recipe: Recipe, device: torch.device) -> Setting:
    """Load the data.

    Raises:
        FileNotFoundError: an earlier step is missing.
    """
    lexicon = load_lexicon(work.lexicon)
    if lexicon is None or not vocabulary_file(work).is_file():
        raise FileNotFoundError(f"{vocabulary_file(work)} is missing: run the step texts first")
    tokenizer = Tokenizer(vocabulary_file(work))
    related = load_items(work, tokenizer)
    items = [item for item in related if not is_relative(item.row)]
    names = symbol_names(tokenizer, lexicon.symbols())
    train = Corpus(items)
    has_valid = any(item.row.split == "valid" for item in items)
    return Setting(
        work=work,
        recipe=recipe,
        device=device,
        train=train,
        valid=Corpus(items, "valid") if has_valid else train,
        related=Corpus(related),
        voices=tuple(sorted({item.row.voice for item in train.items})),
        symbols=spoken_ids(tokenizer),
        names=names,
        units=make_units(names, recipe.sizes.sounds),
        usual_pitches=usual_pitches(related),
    )


def load_encoder(setting: Setting) -> W2VBertEncoder:
    """The trained speech encoder, on the device, in eval mode."""
    encoder = W2VBertEncoder(
        setting.recipe.sizes.w2v_bert, setting.recipe.sizes.w2v_bert.num_hidden_layers
    )
    encoder.load_state_dict(load_weights(setting.work, "encoder")["encoder"])
    return encoder.to(setting.device).requires_grad_(False).eval()


@torch.inference_mode()
def encode_all(setting: Setting, encoder: W2VBertEncoder) -> dict[str, Tensor]:
    """Hidden states of all utterances, float16 [T, D] each, by name."""
    found: dict[str, Tensor] = {}
    items = all_items(setting)
    for first in range(0, len(items), 32):
        group = items[first : first + 32]
        batch = speech_batch(group, setting.device)
        hidden = encoder(batch.features, batch.mask)
        for item, row in zip(group, hidden, strict=True):
            found[item.name] = row[: len(item.speech)].half().cpu()
    return found


def all_items(setting: Setting) -> list[Item]:
    """Training utterances, relatives and held-out ones, ordered by length."""
    unique = {item.name: item for item in (*setting.related.items, *setting.valid.items)}
    return sorted(unique.values(), key=lambda item: len(item.speech))


def semantic_features(setting: Setting) -> dict[str, Tensor]:
    """Normalised semantic features by utterance, float32 [T, D]."""
    stats = load_weights(setting.work, "encoder")["stats"]
    hidden = load_cache(setting.work, "hidden", "encoder")
    return {k: (v.float() - stats["mean"]) / stats["var"].sqrt() for k, v in hidden.items()}
