"""The decoding step as a CUDA graph: one launch instead of some five hundred.

A step is bound by the launching of its kernels, not by their work.  The step, with the choice
of the next codes, is therefore recorded once for each shape and replayed, whoever is in it.  What
it reads and writes lies at fixed places: the state of the decode, and the noise.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import Tensor

from indextts.layers.kv_cache import KVCache
from indextts.stages.decoding.recorder import GraphRecorder
from indextts.stages.decoding.session import (
    Choose,
    NativeSession,
    State,
    decode_step,
    row_parents,
    row_positions,
    row_tokens,
)
from indextts.stages.decoding.state import cloned, tensors
from indextts.stages.semantic_gpt import SemanticGPT

# Steps of a shape before one is recorded: what stops before it would be slower with one.
FIRST_RECORDED = 4
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
            _copy(self.state, state)

    def run(self) -> None:
        """The step itself; also what is recorded."""
        parents = row_parents(self.state)
        if parents is not None:
            # All positions: which of them are in use is not known in a recording.
            self._cache.reorder(parents, 0, self._cache.positions)
        tokens, positions = row_tokens(self.state), row_positions(self.state)
        self.logits.copy_(decode_step(self._model, self._cache, tokens, positions))
        _copy(self.state, self._choose(self.state, self.logits, self.noise))

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


@dataclass
class _Shape:
    """Steps of one shape: how many there were, and what has been recorded of them."""

    steps: int = 0
    static: StaticStep[Any] | None = None
    graph: torch.cuda.CUDAGraph | None = None


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
        self._shapes: dict[Hashable, _Shape] = {}
        self._allocations = self._cache.allocations

    def advance(self, state: State, choose: Choose[State], noise: Tensor | None) -> State:
        if not self._recorder.enabled:
            return super().advance(state, choose, noise)
        self._make_room()
        shape = self._shape_of(state, choose)
        shape.steps += 1
        if shape.steps <= FIRST_RECORDED:
            return super().advance(state, choose, noise)
        if shape.static is None:
            # Of its own: what the state is made of may be another recording's places.
            shape.static = StaticStep(self._model, self._cache, cloned(state), choose, noise)
        self._count()
        shape.static.load(state, noise)
        if shape.graph is None:
            shape.graph = self._record(shape.static)
        else:
            shape.graph.replay()
        return shape.static.state

    def _shape_of(self, state: State, choose: Choose[State]) -> _Shape:
        """What is known of steps like this one; the latest stays longest."""
        cache = self._cache
        if cache.allocations != self._allocations:
            # What was recorded reads where the cache has been.
            self._shapes.clear()
            self._allocations = cache.allocations
        sizes = tuple(value.shape for value in tensors(state))
        key = (cache.rows, cache.positions, sizes, choose)
        shape = self._shapes[key] = self._shapes.pop(key, _Shape())
        if len(self._shapes) > _MOST_RECORDINGS:
            del self._shapes[next(iter(self._shapes))]
        return shape

    def _record(self, static: StaticStep[Any]) -> torch.cuda.CUDAGraph | None:
        """Run a step and record it; None where the recording is of no use.

        The trial repeats the step, so that the state is then the one behind it, either way.

        Raises:
            torch.OutOfMemoryError: there is no room for it now, which says nothing about later.
        """
        before = static.snapshot()
        static.run()
        try:
            graph = self._recorder.record(static.run)
            problem = static.try_replay(graph, before)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            problem = f"a step could not be recorded ({error})"
        if problem:
            self._recorder.turn_off(problem)
            # A wrong replay has written wrong keys and values.
            static.go_back(before)
            static.run()
        return None if problem else graph


def _copy(place: object, value: object) -> None:
    """Copy a state into the places of another of the same shape."""
    for own, new in zip(tensors(place), tensors(value), strict=True):
        if own is not new:
            own.copy_(new)
