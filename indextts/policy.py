"""How the work of many requests is shared out on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from indextts.stages.semantic_gpt import SemanticGPT

# Flows that take a step together on a GPU.
_FLOW_ROWS = 8

Order = Literal["first", "beside", "together"]
"""When segments whose codes are there are brought to their end: before others are decoded, in a
thread beside the decode, or a step of each by turns."""


@dataclass(frozen=True)
class SchedulerPolicy:
    """See the module.

    Attributes:
        slots: segments whose codes are drawn together at most.
        flow_rows: flows that take a step together at most.
        order: see :data:`Order`.
        step_threads: CPU threads of a decoding step; None: all.
        piece_threads: CPU threads of what follows the decode, wherever it is done; None: all.
        prefills: prefixes that are read in a round at most: everybody else waits for them.
        calm: segments that must be spoken without a lack of memory before there are more slots
            again.
        attempts: how often a request may meet a lack of memory before it is told.
    """

    slots: int
    flow_rows: int
    order: Order
    step_threads: int | None = None
    piece_threads: int | None = None
    prefills: int = 4
    calm: int = 32
    attempts: int = 3

    @classmethod
    def of(cls, gpt: SemanticGPT, slots: int) -> SchedulerPolicy:
        """What suits a GPT and the device that it is on.

        A GPU works on everything side by side.  A processor gains nothing by taking the steps of
        flows together.  The decoding steps of a large model keep all of its cores busy; those of a
        small one are too short to be shared between threads, so one core decodes and the others
        do the rest.  How many threads do what is fixed, because sums in other numbers of threads
        are rounded differently: a request gets the same bytes alone and in company.
        """
        if gpt.device.type == "cuda":
            return cls(slots, min(slots, _FLOW_ROWS), "together")
        if not gpt.gpt.is_small:
            return cls(slots, 1, "first")
        threads = torch.get_num_threads()
        if threads == 1:
            return cls(slots, 1, "first")
        return cls(slots, 1, "beside", step_threads=1, piece_threads=threads - 1)


class Room:
    """How much is worked on together now: less after a failure, more again after some calm.

    Args:
        policy: says how much there is at most, and how long the calm lasts.

    Attributes:
        slots: see :class:`SchedulerPolicy`.
        flow_rows: likewise.
    """

    def __init__(self, policy: SchedulerPolicy) -> None:
        self._policy = policy
        self.slots, self.flow_rows = policy.slots, policy.flow_rows
        self._calm = 0

    def halve(self, used: int) -> None:
        """Half as much as is in use; `used`: slots, and segments that wait for one again."""
        self.slots = max(1, min(self.slots, used) // 2)
        self.flow_rows = max(1, self.flow_rows // 2)
        self._calm = 0

    def has_spoken(self) -> None:
        """A segment has been spoken without a failure."""
        self._calm += 1
        if self._calm >= self._policy.calm:
            self._calm = 0
            self.slots = min(self._policy.slots, 2 * self.slots)
            self.flow_rows = min(self._policy.flow_rows, 2 * self.flow_rows)
