"""The decoding step as a CUDA graph: one launch instead of some five hundred.

A step is bound by the launching of its kernels, not by their work.  The step, with the choice
of the next codes, is therefore recorded once per cache size and replayed.  What it reads and
writes lies at fixed places: the state of the decode, the noise, and the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Generic

import torch
from torch import Tensor

from indextts.layers.kv_cache import KVCache
from indextts.stages.decoding.recorder import GraphRecorder
from indextts.stages.decoding.session import Choose, NativeSession, State, decode_step
from indextts.stages.semantic_gpt import SemanticGPT

# Steps without recording: what stops before it would be slower with one.
FIRST_RECORDED = 4
# Replayed and free steps differ by rounding, if at all.
_TOLERANCE = 1e-2


class StaticStep(Generic[State]):
    """A step whose inputs and outputs stay where they are.

    Args:
        model, cache: of the session.
        state, noise: of the first step; give the shapes.
        choose: see :class:`indextts.stages.decoding.session.DecodeSession`.
        reorders: rows may change places; with a single beam they never do, and the step is
            spared a copy of the whole cache.
    """

    def __init__(
        self,
        model: SemanticGPT,
        cache: KVCache,
        state: State,
        choose: Choose[State],
        noise: Tensor | None,
        *,
        reorders: bool,
    ) -> None:
        self._model, self._cache, self._choose = model, cache, choose
        self._reorders = reorders
        self.state = state
        self.noise = None if noise is None else noise.clone()
        self.position = torch.zeros((), dtype=torch.int64, device=model.device)
        rows = len(state.tokens)
        self.logits = torch.zeros(rows, model.config.number_mel_codes, device=model.device)
        self._identity = torch.arange(rows, device=model.device)

    def load(self, noise: Tensor | None, position: int | None = None) -> None:
        """Put the inputs of the next step into their places; the state is there already."""
        if self.noise is not None and noise is not None:
            self.noise.copy_(noise)
        if position is not None:
            self.position.fill_(position)

    def run(self) -> None:
        """The step itself; also what is recorded."""
        if self._reorders and self.state.parents is not None:
            # The whole window: how much of it is in use is not known in a recording.
            self._cache.reorder(self.state.parents, self._cache.window)
        self.logits.copy_(decode_step(self._model, self._cache, self.state.tokens, self.position))
        chosen = self._choose(self.state, self.logits, self.noise, self.position)
        for place, value in zip(tensors(self.state), tensors(chosen), strict=True):
            if place is not value:
                place.copy_(value)
        self.position.add_(1)

    def snapshot(self) -> list[Tensor]:
        """Copies of all that a step changes, but for the cache."""
        return [value.clone() for value in (*tensors(self.state), self.position, self.logits)]

    def go_back(self, before: Sequence[Tensor]) -> None:
        """Make ready for a repeat of the step that followed a snapshot.

        The rows have changed places already and stay where they are; the same keys and values
        are then written once more.
        """
        places = (*tensors(self.state), self.position, self.logits)
        for place, value in zip(places, before, strict=True):
            place.copy_(value)
        if self.state.parents is not None:
            self.state.parents.copy_(self._identity)

    def try_replay(self, graph: torch.cuda.CUDAGraph, before: Sequence[Tensor]) -> str:
        """Repeat the step just run, now by its recording; the problem, or an empty text."""
        expected, position = self.logits.clone(), self.position.clone()
        # The scores of the step before and its position: a recording of nothing leaves them.
        self.go_back(before)
        graph.replay()
        close = torch.isclose(self.logits, expected, rtol=_TOLERANCE, atol=_TOLERANCE).all()
        if bool(close & (self.position == position)):
            return ""
        return "a replayed step gave other scores"


class GraphedSession(NativeSession):
    """Our decoder with recorded steps; without them wherever recording fails."""

    first_window = 256
    window_step = 256

    def __init__(
        self, model: SemanticGPT, recorder: GraphRecorder, prefixes: Sequence[Tensor], beams: int
    ) -> None:
        super().__init__(model, prefixes, beams)
        self._recorder = recorder
        self._reorders = beams > 1
        self._static: StaticStep[Any] | None = None
        self._graph: torch.cuda.CUDAGraph | None = None

    def advance(
        self, state: State, choose: Choose[State], noise: Tensor | None, position: int
    ) -> State:
        if not self._recorder.enabled or position < FIRST_RECORDED:
            return super().advance(state, choose, noise, position)
        if self._make_room(position):
            self._graph = None
        if self._static is None:
            self._static = StaticStep(
                self._model, self._cache, state, choose, noise, reorders=self._reorders
            )
            self._static.load(noise, position)
        else:
            self._static.load(noise)
        if self._graph is None:
            self._graph = self._record(self._static)
        else:
            self._graph.replay()
        return self._static.state

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


def tensors(state: object) -> list[Tensor]:
    """All tensors of a dataclass, those of dataclasses in it included, in a fixed order."""
    if isinstance(state, Tensor):
        return [state]
    if not is_dataclass(state):
        raise TypeError(f"a state holds tensors, not {type(state).__name__}")
    return [tensor for field in fields(state) for tensor in tensors(getattr(state, field.name))]
