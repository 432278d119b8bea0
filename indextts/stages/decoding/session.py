"""A running decode: feeds tokens to the GPT, and what it scores to the choice of the next ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from indextts.layers.kv_cache import KVCache
from indextts.stages.semantic_gpt import SemanticGPT


class DecodeState(Protocol):
    """What a session reads of a state: a dataclass of tensors.

    Attributes:
        tokens: int64 [R], read by the next step.
        parents: int64 [R], the row that each row continues; None where rows never change places.
        stopped: bool [S]; the decode ends when all have stopped.
    """

    @property
    def tokens(self) -> Tensor: ...
    @property
    def parents(self) -> Tensor | None: ...
    @property
    def stopped(self) -> Tensor: ...


State = TypeVar("State", bound=DecodeState)

Choose = Callable[[State, Tensor, Tensor | None, Tensor], State]
"""How the next codes are chosen: (state, logits, noise, position) -> state."""


class DecodeSession(ABC):
    """One decode of S sequences with B beams each; not shared between threads."""

    @abstractmethod
    def step(self, tokens: Tensor, parents: Tensor | None, position: int) -> Tensor:
        """Read one token per row.

        Args:
            tokens: int64 [S * B].
            parents: int64 [S * B], the row whose past each row continues; None keeps all.
            position: how many tokens were read before.

        Returns:
            Scores for the next code, float32 [S * B, V].
        """

    def advance(
        self, state: State, choose: Choose[State], noise: Tensor | None, position: int
    ) -> State:
        """Read the tokens of a state and choose the next ones.

        Args:
            state: before the step; must not be used any more after it.
            choose: the same in every call.
            noise: for `choose`, always of one shape or always None.
            position: the number of the call.
        """
        logits = self.step(state.tokens, state.parents, position)
        index = torch.full((), position, dtype=torch.int64, device=logits.device)
        return choose(state, logits, noise, index)


class SessionFactory(Protocol):
    def __call__(self, prefixes: Sequence[Tensor], beams: int) -> DecodeSession:
        """Open a session over prefixes [M_i, D], one a sequence."""
        ...


class NativeSession(DecodeSession):
    """Our own decoder, with a static cache.

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
        self._cache = KVCache.open(model.gpt.prefill(padded, lengths), beams, self.first_window)

    def step(self, tokens: Tensor, parents: Tensor | None, position: int) -> Tensor:
        self._make_room(position)
        if parents is not None and position > 0:
            self._cache.reorder(parents, position)
        index = torch.full((), position, dtype=torch.int64, device=tokens.device)
        return decode_step(self._model, self._cache, tokens, index)

    def _make_room(self, position: int) -> bool:
        """Let the cache grow where `position` does not fit; True if it did."""
        if position < self._cache.window:
            return False
        self._cache.grow(-(-(position + 1) // self.window_step) * self.window_step)
        return True


def decode_step(model: SemanticGPT, cache: KVCache, tokens: Tensor, position: Tensor) -> Tensor:
    """Tokens [R] at `position` (int64 scalar tensor) -> float32 scores [R, V]; writes the cache."""
    embedded = model.embed_step(tokens, position)
    return model.logits(model.gpt.step(embedded, cache, position))
