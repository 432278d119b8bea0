"""Why the runner did not do its work."""

from __future__ import annotations


class RunnerError(Exception):
    """The runner did not do the work; the subclasses say why."""


class NotReadyError(RunnerError):
    """There is no usable model now.

    Attributes:
        status: of the model.
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


class ReaderTooSlowError(RunnerError):
    """More sound waits for the reader than the channel may hold."""
