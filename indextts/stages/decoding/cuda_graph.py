"""The decoding step as a CUDA graph: one launch instead of some five hundred.

A step is bound by the launching of its kernels, not by their work.  The step, with the choice
of the next codes, is therefore recorded once for each shape and replayed, whoever is in it.  What
it reads and writes lies at fixed places: the state of the decode, and the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic

import torch
from torch import Tensor

from indextts.layers.kv_cache import KVCache
from indextts.stages.decoding.session import (
    Choose,
    NativeSession,
    State,
    decode_step,
    row_parents,
    row_positions,
    row_tokens,
)
from indextts.stages.recorder import GraphRecorder, Recordings
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.tensor_trees import cloned, copy_tensors, tensors

# Recordings that are kept; each holds some tens of MB.
_MOST_RECORDINGS = 24
# Replayed and free steps differ by rounding, if at all.
_TOLERANCE = 1e-2


class StaticStep(Generic[State]):
    """A step whose inputs and outputs stay where they are.

    Args:
        model, cache: of the session.
        state, noise: of the first step; give the shapes.
        choose: see :meth:`indextts.stages.decoding.session.DecodeSession.advance`.
    """

    def __init__(
        self,
        model: SemanticGPT,
        cache: KVCache,
        state: State,
        choose: Choose[State],
        noise: Tensor | None,
    ) -> None:
        self._model, self._cache, self._choose = model, cache, choose
        self.state = state
        self.noise = None if noise is None else noise.clone()
        rows = state.tokens.numel()
        self.logits = torch.zeros(rows, model.config.number_mel_codes, device=model.device)

    def load(self, state: State, noise: Tensor | None) -> None:
        """Put the inputs of the next step into their places, where they are not there already."""
        if self.noise is not None and noise is not None:
            self.noise.copy_(noise)
        if state is not self.state:
            copy_tensors(self.state, state)

    def run(self) -> None:
        """The step itself; also what is recorded."""
        parents = row_parents(self.state)
        if parents is not None:
            # All positions: which of them are in use is not known in a recording.
            self._cache.reorder(parents, 0, self._cache.positions)
        tokens, positions = row_tokens(self.state), row_positions(self.state)
        self.logits.copy_(decode_step(self._model, self._cache, tokens, positions))
        copy_tensors(self.state, self._choose(self.state, self.logits, self.noise))

    def snapshot(self) -> list[Tensor]:
        """Copies of all that a step changes, but for the cache."""
        return [value.clone() for value in (*tensors(self.state), self.logits)]

    def go_back(self, before: Sequence[Tensor]) -> None:
        """Make ready for a repeat of the step that followed a snapshot.

        The rows have changed places already and stay where they are; the same keys and values
        are then written once more.
        """
        places = (*tensors(self.state), self.logits)
        for place, value in zip(places, before, strict=True):
            place.copy_(value)
        parents = self.state.parents
        if parents is not None:
            parents.copy_(torch.arange(parents.shape[1], device=parents.device).expand_as(parents))

    def try_replay(self, graph: torch.cuda.CUDAGraph, before: Sequence[Tensor]) -> str:
        """Repeat the step just run, now by its recording; the problem, or an empty text."""
        expected, positions = self.logits.clone(), self.state.positions.clone()
        # The scores of the step before and its positions: a recording of nothing leaves them.
        self.go_back(before)
        graph.replay()
        close = torch.isclose(self.logits, expected, rtol=_TOLERANCE, atol=_TOLERANCE).all()
        if bool(close & (self.state.positions == positions).all()):
            return ""
        return "a replayed step gave other scores"


class GraphedSession(NativeSession):
    """Our own decoder with recorded steps; without them wherever recording fails."""

    first_window = 256
    window_step = 256
    # Sequences with prefixes of all lengths are to have few shapes.
    position_step = 128

    def __init__(
        self,
        model: SemanticGPT,
        recorder: GraphRecorder,
        prefixes: Sequence[Tensor] = (),
        beams: int = 1,
    ) -> None:
        super().__init__(model, prefixes, beams)
        self._recorder = recorder
        self._recordings: Recordings[StaticStep[Any]] = Recordings(recorder, _MOST_RECORDINGS)
        self._allocations = self._cache.allocations

    def advance(self, state: State, choose: Choose[State], noise: Tensor | None) -> State:
        if not self._recorder.enabled:
            return super().advance(state, choose, noise)
        self._make_room()
        cache = self._cache
        if cache.allocations != self._allocations:
            # What was recorded reads where the cache has been.
            self._recordings.clear()
            self._allocations = cache.allocations
        sizes = tuple(value.shape for value in tensors(state))
        recorded = self._recordings.find(
            (cache.rows, cache.positions, sizes, choose),
            # Of its own: what the state is made of may be another recording's places.
            lambda: StaticStep(self._model, cache, cloned(state), choose, noise),
        )
        if recorded is None:
            return super().advance(state, choose, noise)
        self._count()
        recorded.work.load(state, noise)
        recorded.run()
        return recorded.work.state
