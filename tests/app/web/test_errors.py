"""Every error has the one shape."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from app.web.error_bodies import openai_body, openai_type
from app.web.errors import ApiError
from tests.app.conftest import AppMaker


@pytest.fixture
def app(make_app: AppMaker) -> Flask:
    app = make_app(start=False, max_body_bytes=2000)

    @app.get("/break")
    def broken() -> str:
        raise RuntimeError("secret /path")

    @app.get("/v1/break")
    def broken_there() -> str:
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


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status", "kind", "code"),
    [
        ("GET", "/v1/none", {}, 404, "invalid_request_error", "not_found"),
        ("GET", "/v1/audio/speech", {}, 405, "invalid_request_error", "method_not_allowed"),
        (
            "POST",
            "/v1/audio/speech",
            {"json": {"input": "a" * 3000}},
            *(413, "invalid_request_error", "body_too_large"),
        ),
        ("GET", "/v1/break", {}, 500, "server_error", "internal_error"),
    ],
)
def test_under_v1_the_shape_is_that_of_openai(
    app: Flask,
    method: str,
    path: str,
    arguments: dict[str, Any],
    status: int,
    kind: str,
    code: str,
) -> None:
    answer = app.test_client().open(path, method=method, **arguments)
    error = answer.get_json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (answer.status_code, error["type"], error["code"]) == (status, kind, code)
    assert answer.headers["X-Request-ID"]
    assert "secret" not in answer.text


def test_openai_has_one_message_for_all_fields() -> None:
    errors = {"a": {0: ["first.", "second."]}, "_schema": ["third."], **{c: ["x"] for c in "bcde"}}
    told = openai_body(ApiError(422, "validation_error", "No", errors=errors))["error"]
    assert told["message"] == "No: a: first.; a: second.; third.; b: x; c: x; and 2 more"
    assert told["param"] == "a"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (429, "rate_limit_error"),
        (499, "invalid_request_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_the_types_of_openai(status: int, kind: str) -> None:
    assert openai_type(status) == kind
