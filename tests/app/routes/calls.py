"""Calls of the routes."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

# What goes wrong before the first sound is answered alike by both.
BOTH = pytest.mark.parametrize("path", ["/tts", "/tts/stream"])


def speak(client: FlaskClient, clip: str, path: str = "/tts", **fields: Any) -> TestResponse:
    return client.post(path, json={"text": "hello", "spk_audio": clip, **fields})
