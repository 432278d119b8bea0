"""A running decode: feeds tokens to the GPT and hands back scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from indextts.layers.kv_cache import GeneratedCache, PrefixCache
from indextts.stages.semantic_gpt import SemanticGPT


class DecodeSession(Protocol):
    """One decode of S sequences with B beams each; not shared between threads."""

    def step(self, tokens: Tensor, parents: Tensor | None, position: int) -> Tensor:
        """Read one token per row.

        Args:
            tokens: int64 [S * B].
            parents: int64 [S * B], the row whose past each row continues; None keeps all.
            position: how many tokens were read before.

        Returns:
            Scores for the next code, float32 [S * B, V].
        """
        ...


class SessionFactory(Protocol):
    def __call__(self, prefixes: Sequence[Tensor], beams: int) -> DecodeSession:
        """Open a session over prefixes [M_i, D], one a sequence."""
        ...


class NativeSession:
    """Our own decoder: shared prefix, static cache.

    Attributes:
        first_window, window_step: positions that the cache has room for at first, and by which
            it grows; what is unused of them costs attention over masked positions.
    """

    first_window = 64
    window_step = 128

    def __init__(self, model: SemanticGPT, prefixes: Sequence[Tensor], beams: int) -> None:
        self._model = model
        lengths = torch.tensor([len(prefix) for prefix in prefixes], device=model.device)
        padded = pad_sequence(list(prefixes), batch_first=True)  # [S, P, D]
        self._prefix: PrefixCache = model.gpt.prefill(padded, lengths)
        config = model.config
        self._cache = GeneratedCache.allocate(
            config.layers,
            len(prefixes) * beams,
            config.heads,
            self.first_window,
            config.head_dim,
            dtype=model.dtype,
            device=model.device,
        )

    def step(self, tokens: Tensor, parents: Tensor | None, position: int) -> Tensor:
        self._make_room(position)
        if parents is not None and position > 0:
            self._cache.reorder(parents, position)
        index = torch.full((), position, dtype=torch.int64, device=tokens.device)
        return decode_step(self._model, self._prefix, self._cache, tokens, index)

    def _make_room(self, position: int) -> bool:
        """Let the cache grow where `position` does not fit; True if it did."""
        if position < self._cache.window:
            return False
        self._cache.grow(-(-(position + 1) // self.window_step) * self.window_step)
        return True


def decode_step(
    model: SemanticGPT,
    prefix: PrefixCache,
    cache: GeneratedCache,
    tokens: Tensor,
    position: Tensor,
) -> Tensor:
    """Tokens [R] at `position` (int64 scalar tensor) -> float32 scores [R, V]; writes the cache."""
    embedded = model.embed_step(tokens, position)
    return model.logits(model.gpt.step(embedded, prefix, cache, position))
