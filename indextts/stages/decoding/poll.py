"""Which sequences have stopped?  Asked without making a GPU wait for the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

_STEPS_BETWEEN = 4

Owner = TypeVar("Owner")


class StopPoll(Generic[Owner]):
    """Asks after every step on a CPU, now and then on a GPU, whose answer comes one question late.

    Reading a value from a GPU waits until all that was launched before is done; the GPU then
    idles until new work comes.  So the answer is copied to the host in the background and read
    at the next question, when it has long been there.  A sequence stays up to eight steps too
    long; it does not change in them.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._calls = 0
        self._asked: tuple[Owner, ...] = ()
        self._answer: Tensor | None = None
        if device.type == "cuda":
            self._host = torch.zeros(0, dtype=torch.bool, pin_memory=True)
            self._copied = torch.cuda.Event()

    def __call__(self, owners: Sequence[Owner], stopped: Tensor) -> list[Owner]:
        """Those who are known to have stopped; some may have left since they were asked.

        Args:
            owners: of the sequences that have just made a step.
            stopped: bool [S].
        """
        if self._device.type != "cuda":
            return [one for one, ended in zip(owners, stopped.tolist(), strict=True) if ended]
        self._calls += 1
        if self._calls % _STEPS_BETWEEN:
            return []
        known: list[Owner] = []
        if self._answer is not None:
            self._copied.synchronize()
            ended = self._host[: len(self._asked)].tolist()
            known = [one for one, has in zip(self._asked, ended, strict=True) if has]
        if len(self._host) < len(owners):
            self._host = torch.zeros(len(owners), dtype=torch.bool, pin_memory=True)
        # Kept until the copy is done.
        self._answer, self._asked = stopped.clone(), tuple(owners)
        self._host[: len(owners)].copy_(self._answer, non_blocking=True)
        self._copied.record(torch.cuda.current_stream(self._device))
        return known
