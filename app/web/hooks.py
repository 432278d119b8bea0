"""What happens around every request: its id, the access line, metrics, headers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from flask import Flask, Response, g, request

from app.metrics import Metrics
from app.request_id import HEADER, choose_request_id, current_request_id, set_request_id

log = logging.getLogger("app.access")

QUIET_ROUTES = frozenset({"/health", "/health/live", "/metrics"})
API_CSP = "default-src 'none'; frame-ancestors 'none'"


@dataclass
class RequestTrace:
    """Times of a request, filled while it is served, for its access line."""

    started: float = field(default_factory=time.perf_counter)
    times: dict[str, float] = field(default_factory=dict)
    refusal: str = ""


def trace() -> RequestTrace:
    """The trace of the current request."""
    found: RequestTrace = g.trace
    return found


def register_request_hooks(app: Flask, metrics: Metrics, cors_origins: tuple[str, ...]) -> None:
    """Install the hooks on `app`."""

    @app.before_request
    def begin() -> None:
        g.trace = RequestTrace()
        set_request_id(choose_request_id(request.headers.get(HEADER)))

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers[HEADER] = current_request_id()
        add_security_headers(response)
        add_cors_headers(response, cors_origins)
        record(response, metrics)
        return response


def record(response: Response, metrics: Metrics) -> None:
    """Count the request and write its access line."""
    current = trace()
    seconds = time.perf_counter() - current.started
    route = str(request.url_rule.rule) if request.url_rule is not None else "other"
    metrics.http(route, request.method, response.status_code, seconds)
    if current.refusal:
        metrics.refusals.labels(current.refusal).inc()
    fields: dict[str, object] = {
        "method": request.method[:16],
        "route": route,
        "status": response.status_code,
        "seconds": round(seconds, 4),
        "bytes": response.content_length or 0,
        "client": request.remote_addr or "",
    }
    if current.refusal:
        fields["refusal"] = current.refusal
    fields.update({name: round(value, 4) for name, value in current.times.items()})
    quiet = route in QUIET_ROUTES and response.status_code < 400
    log.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"fields": fields})


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
    headers["Access-Control-Expose-Headers"] = (
        f"{HEADER}, X-Audio-Length, X-Inference-Time, X-Queue-Time, X-Fetch-Time, X-RTF, X-Seed, "
        "Retry-After"
    )
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        headers["Access-Control-Allow-Headers"] = (
            f"Authorization, Content-Type, X-API-Key, {HEADER}"
        )
        headers["Access-Control-Max-Age"] = "600"
