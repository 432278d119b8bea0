"""Faults to inject, so that everybody can see a failure being reported."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from torch import nn


class Fault(StrEnum):
    """How a part is broken."""

    SCALE = "scale"  # the tested model's matrices are 10 % too large
    KERNEL = "kernel"  # attention has no kernel for this device
    EXCEPTION = "exception"
    HANG = "hang"  # for ever, in a call that nothing interrupts
    CRASH = "crash"  # the process dies by a signal


def parse(texts: Iterable[str], parts: set[str]) -> dict[str, Fault]:
    """``PART=FAULT`` texts as a mapping.

    Raises:
        ValueError: another form, or an unknown part or fault.
    """
    injected: dict[str, Fault] = {}
    for text in texts:
        part, _, fault = text.partition("=")
        if part not in parts:
            raise ValueError(f"--inject: there is no part {part!r}")
        if fault not in list(Fault):
            raise ValueError(f"--inject: {fault!r} is none of {', '.join(Fault)}")
        injected[part] = Fault(fault)
    return injected


def begin(fault: Fault | None) -> None:
    """What breaks a part as a whole, called where its work begins."""
    if fault is Fault.EXCEPTION:
        raise RuntimeError("an exception was injected")
    if fault is Fault.HANG:
        _hang()
    if fault is Fault.CRASH:
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault is Fault.KERNEL:
        _take_attention_away()


def spoil(fault: Fault | None, module: nn.Module) -> None:
    """What makes a tested model wrong: the scale of its matrices."""
    if fault is not Fault.SCALE:
        return
    import torch

    with torch.no_grad():
        for weight in module.parameters():
            if weight.dim() > 1:
                weight.mul_(1.1)


def _hang() -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(3600)


def _take_attention_away() -> None:
    import torch.nn.functional as functional

    def missing(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    functional.scaled_dot_product_attention = missing
