"""Calls of the route, and what it answers."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PATH = "/v1/audio/speech"
TWO = "first\nsecond"


def speak(client: FlaskClient, *, read: bool = True, **fields: Any) -> TestResponse:
    """Send a body; without `read` a streamed answer is still to be read."""
    return client.post(PATH, json={"input": TWO, **fields}, buffered=read)


def error_of(answer: TestResponse) -> dict[str, Any]:
    body = answer.get_json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error
