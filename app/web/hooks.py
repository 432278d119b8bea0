"""What happens around every request: its id, the access line, metrics, headers."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flask import Flask, Response, g, request

from app.metrics import Metrics
from app.request_id import HEADER, choose_request_id, current_request_id, set_request_id
from app.web.errors import CLIENT_CLOSED

log = logging.getLogger("app.access")

# What pages of other sites may send, and what they may read.
ALLOWED_HEADERS = ("Authorization", "Content-Type", "X-API-Key", HEADER)
EXPOSED_HEADERS = (
    HEADER,
    *("X-Audio-Length", "X-Inference-Time", "X-Queue-Time", "X-Fetch-Time", "X-RTF", "X-Seed"),
    *("X-Quality", "X-Speed", "X-Warning", "X-Should-Retry", "Retry-After"),
)
_OPENAI_HEADER = re.compile(r"(x-stainless|openai)-[a-z-]{1,40}|user-agent|idempotency-key")
_LONGEST_QUESTION = 2000
API_CSP = "default-src 'none'; frame-ancestors 'none'"


@dataclass
class RequestTrace:
    """What is to be said of a request in its access line; belongs to the request's thread.

    Attributes:
        started: value of ``time.perf_counter()``.
        told: what the route adds: names and, mostly, seconds.
        refusal: why it was not served, for the metric.
        size: bytes of a streamed body, so far.
        streams: the answer's body is a stream, which is not over with its headers.
        whole: a streamed body was sent to its end.
    """

    started: float = field(default_factory=time.perf_counter)
    told: dict[str, float | str] = field(default_factory=dict)
    refusal: str = ""
    size: int = 0
    streams: bool = False
    whole: bool = False

    @property
    def age(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self.started

    @property
    def broken(self) -> str:
        """Why the end of a streamed body is missing: "client", "failure", or "" where it is not."""
        if self.whole:
            return ""
        left = self.refusal in ("", CLIENT_CLOSED)
        return "client" if left else "failure"

    def sent(self, piece: bytes) -> bytes:
        """Count a piece of a streamed body."""
        self.size += len(piece)
        return piece


def trace() -> RequestTrace:
    """The trace of the current request."""
    found: RequestTrace = g.trace
    return found


def register_request_hooks(
    app: Flask, metrics: Metrics, cors_origins: tuple[str, ...], quiet_paths: frozenset[str]
) -> None:
    """Install the hooks on `app`; good answers of `quiet_paths` are logged at debug level."""

    @app.before_request
    def begin() -> None:
        g.trace = RequestTrace()
        set_request_id(choose_request_id(request.headers.get(HEADER)))

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers[HEADER] = current_request_id()
        add_security_headers(response)
        add_cors_headers(response, cors_origins)
        record = _recorder(response, metrics, quiet_paths)
        if trace().streams:
            response.call_on_close(record)
        else:
            record()
        return response


def streamed(
    response: Response, metrics: Metrics, closers: Iterable[Callable[[], None]]
) -> Response:
    """Make the request end with its body: then `closers` run, and its line is written."""
    current = trace()
    current.streams = True
    metrics.stream_opened()

    def close() -> None:
        for closer in closers:
            closer()
        metrics.stream_closed(current.broken)

    response.call_on_close(close)
    return response


def _recorder(
    response: Response, metrics: Metrics, quiet_paths: frozenset[str]
) -> Callable[[], None]:
    """Counts the request and writes its access line; needs no request context when it is called."""
    current = trace()
    route = str(request.url_rule.rule) if request.url_rule is not None else "other"
    method = request.method[:16]
    client = request.remote_addr or ""

    def record() -> None:
        seconds = current.age
        metrics.http(route, method, response.status_code, seconds)
        if current.refusal:
            metrics.refusals.labels(current.refusal).inc()
        fields: dict[str, object] = {
            "method": method,
            "route": route,
            "status": response.status_code,
            "seconds": round(seconds, 4),
            "bytes": current.size if current.streams else response.content_length or 0,
            "client": client,
        }
        if current.refusal:
            fields["refusal"] = current.refusal
        if current.streams:
            fields["whole"] = current.whole
        for name, value in current.told.items():
            fields[name] = value if isinstance(value, str) else round(value, 4)
        quiet = route in quiet_paths and response.status_code < 400
        log.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"fields": fields})

    return record


def add_security_headers(response: Response) -> None:
    """Headers that keep browsers from doing more with an answer than reading it."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", API_CSP)
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"


def add_cors_headers(response: Response, origins: tuple[str, ...]) -> None:
    """Let the pages of the listed origins read the answer."""
    origin = request.headers.get("Origin")
    if not origins:
        return
    response.vary.add("Origin")
    if origin is None or ("*" not in origins and origin not in origins):
        return
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
    headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, OPTIONS"
        asked = request.headers.get("Access-Control-Request-Headers", "")
        headers["Access-Control-Allow-Headers"] = ", ".join(
            (*ALLOWED_HEADERS, *_sent_by_openai(asked))
        )
        headers["Access-Control-Max-Age"] = "600"


def _sent_by_openai(asked: str) -> tuple[str, ...]:
    """Those of the headers that a page asks to send that OpenAI's client adds by itself.

    Their names vary with its version, so they are told by their beginning.
    """
    names = (name.strip().lower() for name in asked[:_LONGEST_QUESTION].split(","))
    return tuple(name for name in names if _OPENAI_HEADER.fullmatch(name))
