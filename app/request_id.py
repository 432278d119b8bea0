"""The id that ties a request, its answer and its log lines together."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def choose_request_id(given: str | None) -> str:
    """The proxy's id where it is one that can stand in a log line, else a new one."""
    if given is not None and _ACCEPTABLE.fullmatch(given):
        return given
    return uuid.uuid4().hex


def current_request_id() -> str:
    """The id of the request that this thread works on, or an empty text."""
    return _current.get()


def set_request_id(request_id: str) -> None:
    """Set the id for this thread until the next request comes."""
    _current.set(request_id)


@contextmanager
def use_request_id(request_id: str) -> Iterator[None]:
    """Set the id for a block."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
