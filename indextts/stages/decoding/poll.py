"""Has every sequence stopped?  Asked without making a GPU wait for the answer."""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS_BETWEEN = 4


class StopPoll:
    """Asks after every step on a CPU, now and then on a GPU, whose answer comes one question late.

    Reading a value from a GPU waits until all that was launched before is done; the GPU then
    idles until new work comes.  So the answer is copied to the host in the background and read
    at the next question, when it has long been there.  A decode runs up to eight steps too far;
    sequences that have stopped do not change in them.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._answer: Tensor | None = None
        if device.type == "cuda":
            self._host = torch.zeros((), dtype=torch.bool, pin_memory=True)
            self._copied = torch.cuda.Event()

    def __call__(self, position: int, stopped: Tensor) -> bool:
        """Whether the decode can end after the step `position`.

        Args:
            position: counts the steps from 0.
            stopped: bool [S].
        """
        if self._device.type != "cuda":
            return bool(stopped.all())
        if (position + 1) % _STEPS_BETWEEN:
            return False
        if self._answer is not None:
            self._copied.synchronize()
            if bool(self._host):
                return True
        # Kept until the copy is done.
        self._answer = stopped.all()
        self._host.copy_(self._answer, non_blocking=True)
        self._copied.record(torch.cuda.current_stream(self._device))
        return False
