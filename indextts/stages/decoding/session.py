"""A running decode: feeds tokens to the GPT, and what it scores to the choice of the next ones.

Its sequences come and go between steps; each is a group of neighbouring rows, one a beam.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from indextts.layers.kv_cache import KVCache, aligned
from indextts.stages.semantic_gpt import SemanticGPT


class DecodeState(Protocol):
    """What a session reads of a state: a dataclass of tensors, whose first axis is the sequences.

    Attributes:
        tokens: int64 [S] or [S, B], read by the next step.
        parents: int64 [S, B], the beam of its sequence that each row continues; None where rows
            never change places.
        positions: int64 [S], how many tokens the rows of a sequence have read.
        stopped: bool [S]; what has stopped does not change any more.
    """

    @property
    def tokens(self) -> Tensor: ...
    @property
    def parents(self) -> Tensor | None: ...
    @property
    def positions(self) -> Tensor: ...
    @property
    def stopped(self) -> Tensor: ...


State = TypeVar("State", bound=DecodeState)

Choose = Callable[[State, Tensor, Tensor | None], State]
"""How the next codes are chosen: (state, logits, noise) -> state."""


class DecodeSession(ABC):
    """Sequences of R rows in all; not shared between threads.

    Attributes:
        capacity: how many sequences it can hold; None: any number.
    """

    capacity: int | None = None

    @abstractmethod
    def join(self, prefix: Tensor, beams: int) -> None:
        """Read the prefix [M, D] of another sequence, whose rows are then the last."""

    @abstractmethod
    def keep(self, sequences: Sequence[int]) -> None:
        """Drop all sequences but these, which keep their order."""

    @abstractmethod
    def step(self, tokens: Tensor, parents: Tensor | None, position: Tensor | int) -> Tensor:
        """Read one token per row.

        Args:
            tokens: int64 [R].
            parents: int64 [R], the row whose past each row continues; None keeps all.
            position: int64 [R] or one number for all rows: how many tokens were read before.

        Returns:
            Scores for the next code, float32 [R, V].
        """

    def advance(self, state: State, choose: Choose[State], noise: Tensor | None) -> State:
        """Read the tokens of a state and choose the next ones.

        Args:
            state: of all sequences, before the step; must not be used any more after it.
            choose: equal ones do the same.
            noise: for `choose`.
        """
        logits = self.step(row_tokens(state), row_parents(state), row_positions(state))
        return choose(state, logits, noise)


class SessionFactory(Protocol):
    def __call__(self, prefixes: Sequence[Tensor] = (), beams: int = 1) -> DecodeSession:
        """Open a session over prefixes [M_i, D], one a sequence."""
        ...


def row_tokens(state: DecodeState) -> Tensor:
    """int64 [R]."""
    return state.tokens.flatten()


def row_positions(state: DecodeState) -> Tensor:
    """int64 [R]."""
    if state.tokens.dim() == 1:
        return state.positions
    return state.positions[:, None].expand_as(state.tokens).flatten()


def row_parents(state: DecodeState) -> Tensor | None:
    """int64 [R], counted over all sequences of the state."""
    parents = state.parents
    if parents is None:
        return None
    first = torch.arange(0, parents.numel(), parents.shape[1], device=parents.device)
    return (parents + first[:, None]).flatten()


@dataclass
class _Rows:
    """What the host knows of a sequence's rows.

    Attributes:
        beams: how many there are.
        start: where its generated positions begin in the cache.
        read: tokens read, at most: a GPU says late that a sequence has stopped.
    """

    beams: int
    start: int
    read: int = 0


class NativeSession(DecodeSession):
    """Our own decoder.

    Attributes:
        first_window, window_step: generated positions that the cache has room for at first, and
            by which it grows; what is unused of them costs attention over masked positions.
        position_step: all positions, prefixes included, are a multiple of it; of 16, so that a
            processor adds a row's positions up in the same order however many are masked behind
            them.
    """

    first_window = 64
    window_step = 128
    position_step = 16

    def __init__(self, model: SemanticGPT, prefixes: Sequence[Tensor] = (), beams: int = 1) -> None:
        self._model = model
        heads, dim = model.gpt.heads, model.gpt.dim
        self._cache = KVCache((len(model.gpt.h), heads, dim // heads), model.dtype, model.device)
        self._sequences: list[_Rows] = []
        for prefix in prefixes:
            self.join(prefix, beams)

    def join(self, prefix: Tensor, beams: int) -> None:
        length = torch.tensor([len(prefix)], device=prefix.device)
        # Each alone: what a sequence reads must not depend on those beside it.
        read = self._model.gpt.prefill(prefix[None], length)
        # As many positions as the first step needs: the cache would else grow at once.
        start = aligned(len(prefix))
        self._cache.join(read, beams, self._rounded(start + self.first_window) - start)
        self._sequences.append(_Rows(beams, self._cache.starts[-1]))

    def keep(self, sequences: Sequence[int]) -> None:
        rows: list[int] = []
        first = 0
        wanted = frozenset(sequences)
        for index, sequence in enumerate(self._sequences):
            if index in wanted:
                rows += range(first, first + sequence.beams)
            first += sequence.beams
        self._sequences = [self._sequences[index] for index in sequences]
        self._cache.keep(rows, self._needed())

    def step(self, tokens: Tensor, parents: Tensor | None, position: Tensor | int) -> Tensor:
        self._make_room()
        if parents is not None:
            self._reorder(parents)
        if isinstance(position, int):
            position = torch.full((), position, dtype=torch.int64, device=tokens.device)
        self._count()
        return decode_step(self._model, self._cache, tokens, position)

    def _needed(self) -> int:
        """Positions that the cache must have for the next step."""
        most = max((one.start + self._window(one.read) for one in self._sequences), default=0)
        return self._rounded(most)

    def _rounded(self, positions: int) -> int:
        return -(-positions // self.position_step) * self.position_step

    def _window(self, read: int) -> int:
        if read < self.first_window:
            return aligned(self.first_window)
        return aligned(-(-(read + 1) // self.window_step) * self.window_step)

    def _make_room(self) -> None:
        """Let the cache grow where the next position does not fit."""
        self._cache.grow(self._needed())

    def _count(self) -> None:
        for one in self._sequences:
            one.read += 1

    def _reorder(self, parents: Tensor) -> None:
        first = min(one.start for one in self._sequences)
        last = max(one.start + one.read for one in self._sequences)
        if any(one.read for one in self._sequences):
            self._cache.reorder(parents, first, last)


def decode_step(model: SemanticGPT, cache: KVCache, tokens: Tensor, position: Tensor) -> Tensor:
    """Tokens [R] at `position` (int64 [R] or scalar) -> float32 scores [R, V]; writes the cache."""
    embedded = model.embed_step(tokens, position)
    return model.logits(model.gpt.step(embedded, cache, position))
