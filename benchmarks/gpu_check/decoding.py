"""The decoder's sessions, opened one beside the other; all that these checks know of its inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from indextts.stages.decoding.cuda_graph import GraphedSession
from indextts.stages.decoding.session import Choose, DecodeSession, NativeSession
from indextts.stages.recorder import GraphRecorder
from indextts.stages.semantic_gpt import SemanticGPT


def free_session(model: SemanticGPT, prefixes: Sequence[Tensor], beams: int) -> DecodeSession:
    return NativeSession(model, prefixes, beams)


def recording_session(
    model: SemanticGPT, prefixes: Sequence[Tensor], beams: int, recorder: GraphRecorder
) -> DecodeSession:
    """Without CUDA there is nothing to record: a free one."""
    if model.device.type != "cuda":
        return NativeSession(model, prefixes, beams)
    return GraphedSession(model, recorder, prefixes, beams)


def begin_at(session: DecodeSession, position: int) -> None:
    """Let a session believe that its sequences have read so much; what it remembers is zeros."""
    if isinstance(session, NativeSession):
        for sequence in session._sequences:
            sequence.read = position


@dataclass(frozen=True, eq=False)
class Told:
    """A decode that is told what to read, so that two of them can be compared step by step.

    Attributes:
        tokens: int64 [S].
        positions: int64 [S], tokens read.
        stopped: bool [S], never true.
        scores: float32 [S, V] of the last step.
    """

    tokens: Tensor
    positions: Tensor
    stopped: Tensor
    scores: Tensor

    @property
    def parents(self) -> Tensor | None:
        return None


@dataclass(frozen=True, eq=False)
class ToldBeams:
    """The same with beams that change places: tokens, parents [S, B], scores [S * B, V]."""

    tokens: Tensor
    positions: Tensor
    stopped: Tensor
    scores: Tensor
    parents: Tensor


def tell(
    tokens: Tensor, parents: Tensor | None, vocabulary: int, position: int = 0
) -> tuple[Any, Choose[Any]]:
    """A first state, and the choice that follows a script.

    Args:
        tokens: int64 [steps + 1, S] or [steps + 1, S, B], of which one is read in each step.
        parents: int64 [steps + 1, S, B] likewise, or None.
        vocabulary: V.
        position: how many tokens have been read before the first step, which need not be true.
    """
    device, sequences = tokens.device, tokens.shape[1]
    stopped = torch.zeros(sequences, dtype=torch.bool, device=device)
    positions = torch.full((sequences,), position, dtype=torch.int64, device=device)
    scores = torch.zeros(tokens[0].numel(), vocabulary, device=device)

    def choose(state: Any, logits: Tensor, noise: Tensor | None) -> Any:
        following = (state.positions[:1] + 1).clamp(max=len(tokens) - 1)
        state = replace(
            state,
            tokens=tokens.index_select(0, following)[0],
            positions=state.positions + 1,
            scores=logits,
        )
        if parents is None:
            return state
        return replace(state, parents=parents.index_select(0, following)[0])

    if parents is None:
        return Told(tokens[0].clone(), positions, stopped, scores), choose
    return ToldBeams(tokens[0].clone(), positions, stopped, scores, parents[0].clone()), choose


@dataclass
class Replays:
    """Counts up while :func:`count_replays` is open."""

    count: int = 0


@contextmanager
def count_replays() -> Iterator[Replays]:
    """Count the replays of all recordings of the process."""
    replays = Replays()
    recording: Any = torch.cuda.CUDAGraph
    original = recording.replay

    def replay(graph: Any) -> None:
        replays.count += 1
        original(graph)

    recording.replay = replay
    try:
        yield replays
    finally:
        recording.replay = original
