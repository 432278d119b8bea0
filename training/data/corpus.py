"""Batches from the utterances: which ones together, and how they are padded."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from training.data.features import Item
from training.workspace import Workspace

# Utterances that make one long clip, at most.
MAX_JOINED = 4


class Corpus:
    """The utterances of one split and ways to choose among them.

    Args:
        items: all utterances.
        split: "train", "valid" or "unseen".

    Raises:
        ValueError: there is none.
    """

    def __init__(self, items: Sequence[Item], split: str = "train") -> None:
        self.items = sorted((i for i in items if i.row.split == split), key=lambda i: len(i.speech))
        if not self.items:
            raise ValueError(f"no utterance of split {split!r}; make more speech")
        self._by_voice = _grouped(self.items, lambda item: item.row.voice)
        self._by_manner = _grouped(self.items, lambda item: item.row.manner)
        self._by_both = _grouped(self.items, lambda item: (item.row.voice, item.row.manner))

    def batch(self, choose: random.Random, size: int) -> list[Item]:
        """Utterances of about the same length, for little padding."""
        size = min(size, len(self.items))
        pool = min(4 * size, len(self.items))
        first = choose.randrange(len(self.items) - pool + 1)
        return choose.sample(self.items[first : first + pool], size)

    def any(self, choose: random.Random, size: int) -> list[Item]:
        """Utterances of any length."""
        return [choose.choice(self.items) for _ in range(size)]

    def same_voice(self, item: Item, choose: random.Random) -> Item:
        """Another utterance of the voice (the same where there is no other)."""
        return _other(self._by_voice.get(item.row.voice, [item]), item, choose)

    def same_manner(self, item: Item, choose: random.Random) -> Item:
        """An utterance spoken in the same manner: half the time of the same voice, where there is
        one (a sentence without sound may have a voice that has not yet spoken so).
        """
        of_any = self._by_manner.get(item.row.manner, [item])
        if choose.random() < 0.5:
            return _other(of_any, item, choose)
        return _other(self._by_both.get((item.row.voice, item.row.manner), of_any), item, choose)

    def clip(self, item: Item, frames: int, choose: random.Random) -> list[Item]:
        """The utterance, and others of its voice and manner behind it, until there are so many
        semantic frames; users' clips are longer than most sentences.
        """
        found = [item]
        group = self._by_both.get((item.row.voice, item.row.manner), [item])
        while sum(len(i.speech) for i in found) < frames and len(found) < MAX_JOINED:
            found.append(choose.choice(group))
        return found


def _grouped(items: Sequence[Item], key: Callable[[Item], Any]) -> dict[Any, list[Item]]:
    groups: dict[Any, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _other(group: Sequence[Item], item: Item, choose: random.Random) -> Item:
    for _ in range(4):
        found = choose.choice(group)
        if found is not item:
            return found
    return group[0]


@dataclass(frozen=True, eq=False)
class SpeechBatch:
    """Input of the speech encoder.

    Attributes:
        features: float32 [B, T, 160].
        lengths: int64 [B].
        mask: bool [B, T], true where a frame is heard.
    """

    features: Tensor
    lengths: Tensor
    mask: Tensor


def speech_batch(items: Sequence[Item], device: torch.device) -> SpeechBatch:
    features = padded([item.speech.float() for item in items], device)
    heard = torch.tensor([item.heard for item in items], device=device)
    lengths = torch.tensor([len(item.speech) for item in items], device=device)
    return SpeechBatch(features, lengths, frame_mask(heard, features.shape[1]))


def frame_mask(lengths: Tensor, total: int) -> Tensor:
    """bool [B, total]: true before each row's end."""
    return torch.arange(total, device=lengths.device) < lengths[:, None]


def padded(rows: Sequence[Tensor], device: torch.device, value: float = 0) -> Tensor:
    """[T_i, ...] -> [B, max T, ...] on the device."""
    return pad_sequence(list(rows), batch_first=True, padding_value=value).to(device)


def cropped(rows: Sequence[Tensor], frames: int, choose: random.Random) -> Tensor:
    """A window of at most `frames` of each row, all of one length: [B, W, ...].

    The engine's conditioners take no mask for a batch, so windows have the length of the
    shortest row.
    """
    width = min(frames, *(len(row) for row in rows))
    starts = [choose.randrange(len(row) - width + 1) for row in rows]
    return torch.stack([row[s : s + width] for row, s in zip(rows, starts, strict=True)])


def lacks(work: Workspace, name: str, items: Sequence[Item]) -> bool:
    """Whether some utterances came after what a step has left for each."""
    path = work.cache(name)
    if not path.is_file():
        return True
    known = torch.load(path, weights_only=True, mmap=True)
    return any(item.name not in known for item in items)


def load_cache(work: Workspace, name: str, made_by: str) -> dict[str, Tensor]:
    """Tensors by utterance that an earlier step has left.

    Raises:
        FileNotFoundError: it has not been run to its end.
    """
    path = work.cache(name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run the step {made_by} to its end first")
    content: dict[str, Tensor] = torch.load(path, weights_only=True)
    return content
