"""Every error has the one shape."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from tests.app.conftest import AppMaker


@pytest.fixture
def app(make_app: AppMaker) -> Flask:
    app = make_app(start=False, max_body_bytes=2000)

    @app.get("/break")
    def broken() -> str:
        raise RuntimeError("secret /path")

    @app.get("/later")
    def later() -> str:
        raise TooManyRequests("internal words", retry_after=7)

    @app.get("/unavailable")
    def unavailable() -> str:
        raise ServiceUnavailable("internal words")

    return app


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status", "code"),
    [
        ("GET", "/none", {}, 404, "not_found"),
        ("GET", "/health/", {}, 404, "not_found"),
        ("GET", "/tts", {}, 405, "method_not_allowed"),
        ("DELETE", "/health", {}, 405, "method_not_allowed"),
        ("POST", "/tts", {"data": "a"}, 415, "unsupported_media_type"),
        ("POST", "/tts", {"json": {"text": "a" * 3000}}, 413, "body_too_large"),
        ("POST", "/tts", {"data": {"text": "a" * 3000}}, 415, "unsupported_media_type"),
        ("POST", "/tts", {"json": {}}, 422, "validation_error"),
        ("GET", "/break", {}, 500, "internal_error"),
        ("GET", "/later", {}, 429, "http_error"),
        ("GET", "/unavailable", {}, 503, "internal_error"),
    ],
)
def test_shape(
    app: Flask, method: str, path: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    answer = app.test_client().open(path, method=method, **arguments)
    body = answer.get_json()
    assert (answer.status_code, body["error"]) == (status, code)
    assert set(body) - {"errors"} == {"error", "detail", "request_id"}
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert answer.mimetype == "application/json"
    for secret in ("secret", "internal words", "Traceback"):
        assert secret not in answer.text


def test_headers_of_http_errors_stay(app: Flask) -> None:
    client = app.test_client()
    assert "POST" in client.get("/tts").headers["Allow"]
    assert client.get("/later").headers["Retry-After"] == "7"


def test_the_log_has_the_cause_under_the_request_id(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    app.test_client().get("/break", headers={"X-Request-ID": "my-id"})
    record = next(r for r in caplog.records if r.getMessage() == "Unexpected error")
    assert record.exc_info is not None
    assert "secret /path" in str(record.exc_info[1])


def test_a_large_form_is_refused(app: Flask) -> None:
    form = {"text": "a" * 3000}
    answer = app.test_client().post("/tts", data=form, content_type="multipart/form-data")
    assert answer.status_code == 413
