"""What an engine is working on, and what it has done; for metrics."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class WorkStats:
    """A snapshot; sums count from the start.

    Attributes:
        runs: requests that are being worked on.
        slots: segments that can be decoded together now; fewer after a lack of memory.
        waiting: segments that have begun and are between two stages.
        decoding, flowing, voicing: segments in each stage.
        gpt_steps, codes: steps of the GPT, and of its single sequences.
        flow_steps: of single flows.
        flow_frames: computed in them, of which flow_padding were none.
        out_of_memory: how often memory ran out and others made room.
    """

    runs: int = 0
    slots: int = 0
    waiting: int = 0
    decoding: int = 0
    flowing: int = 0
    voicing: int = 0
    gpt_steps: int = 0
    codes: int = 0
    flow_steps: int = 0
    flow_frames: int = 0
    flow_padding: int = 0
    out_of_memory: int = 0

    def __add__(self, other: WorkStats) -> WorkStats:
        """Those of two schedulers together."""
        return WorkStats(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))
