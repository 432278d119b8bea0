"""One request on its way through the engine thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from app.runner.engine import Synthesis, SynthesisRequest


class RunnerError(Exception):
    """The runner did not do the work; the subclasses say why."""


class NotReadyError(RunnerError):
    """There is no usable model now.

    Attributes:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, status: str, retry_after: int) -> None:
        super().__init__(f"the engine is {status}")
        self.status = status
        self.retry_after = retry_after


class QueueFullError(RunnerError):
    """No seat is free.

    Attributes:
        retry_after: seconds after which a seat may be free.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("the queue is full")
        self.retry_after = retry_after


class QueueTimeoutError(QueueFullError):
    """The deadline passed while the request was waiting for its turn."""


class ClientGoneError(RunnerError):
    """The caller closed the connection."""


class EngineLostError(RunnerError):
    """The engine broke or hung while it worked on this request."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished synthesis with the times of the service around it, in seconds."""

    synthesis: Synthesis
    queue_seconds: float
    inference_seconds: float


@dataclass(frozen=True, eq=False)
class Job:
    """A request, its limits, and the place for its outcome.

    Attributes:
        deadline: value of ``time.monotonic()``.
        client_gone: True when nobody waits for the answer any more; asked by two threads.
        future: running from the moment the engine thread takes the job.
    """

    request: SynthesisRequest
    deadline: float
    client_gone: Callable[[], bool]
    request_id: str
    queued_at: float = field(default_factory=time.monotonic)
    future: Future[Outcome] = field(default_factory=Future)

    @property
    def overdue(self) -> bool:
        return time.monotonic() > self.deadline
