"""The decoder's sessions, opened one beside the other; all that these checks know of its inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from indextts.stages.decoding.cuda_graph import GraphedSession, GraphSwitch
from indextts.stages.decoding.session import DecodeSession, NativeSession
from indextts.stages.semantic_gpt import SemanticGPT


def open_sessions(
    model: SemanticGPT, tested: SemanticGPT, prefixes: Sequence[Tensor], beams: int
) -> tuple[DecodeSession, DecodeSession, GraphSwitch]:
    """A free session of `model`, one of `tested` that records, and the latter's switch."""
    switch = GraphSwitch()
    free = free_session(model, prefixes, beams)
    return free, recording_session(tested, prefixes, beams, switch), switch


def free_session(model: SemanticGPT, prefixes: Sequence[Tensor], beams: int) -> DecodeSession:
    return NativeSession(model, prefixes, beams)


def recording_session(
    model: SemanticGPT, prefixes: Sequence[Tensor], beams: int, switch: GraphSwitch
) -> DecodeSession:
    """Without CUDA there is nothing to record: a free one."""
    if model.device.type != "cuda":
        return NativeSession(model, prefixes, beams)
    return GraphedSession(model, switch, prefixes, beams)


@dataclass
class Replays:
    """Counts up while :func:`count_replays` is open."""

    count: int = 0


@contextmanager
def count_replays() -> Iterator[Replays]:
    """Count the replays of all recordings of the process."""
    replays = Replays()
    original = torch.cuda.CUDAGraph.replay

    def replay(graph: Any) -> None:
        replays.count += 1
        original(graph)

    torch.cuda.CUDAGraph.replay = replay  # type: ignore[method-assign]
    try:
        yield replays
    finally:
        torch.cuda.CUDAGraph.replay = original  # type: ignore[method-assign]
