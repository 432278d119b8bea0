"""How the work of many requests is shared out on a device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

# Flows that take a step together on a GPU.
_FLOW_ROWS = 8


@dataclass(frozen=True)
class SchedulerPolicy:
    """See the module.

    Attributes:
        slots: segments whose codes are drawn together at most.
        flow_rows: flows that take a step together at most.
        finish_first: segments whose codes are there come before all others.  A processor gains
            nothing by taking their steps together, and decodes go on with all slots full
            afterwards; a GPU does both side by side.
        prefills: prefixes that are read in a round at most: everybody else waits for them.
        calm: segments that must be spoken without a lack of memory before there are more slots
            again.
        attempts: how often a request may meet a lack of memory before it is told.
    """

    slots: int
    flow_rows: int
    finish_first: bool
    prefills: int = 4
    calm: int = 32
    attempts: int = 3

    @classmethod
    def of(cls, device: torch.device, slots: int) -> SchedulerPolicy:
        if device.type == "cuda":
            return cls(slots, min(slots, _FLOW_ROWS), finish_first=False)
        return cls(slots, 1, finish_first=True)
