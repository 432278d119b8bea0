"""Voices over HTTP."""

from __future__ import annotations

import io
from typing import Any

import soundfile
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

VOICES = "/v1/audio/voices"


def upload(
    client: FlaskClient, clip: bytes, headers: dict[str, str] | None = None, **fields: Any
) -> TestResponse:
    form = {"name": "anna", "consent": "Anna said yes", **fields}
    data = {name: value for name, value in form.items() if value is not None}
    data.setdefault("audio_sample", (io.BytesIO(clip), "clip.bin"))
    return client.post(VOICES, data=data, headers=headers, content_type="multipart/form-data")


def says(answer: TestResponse, *words: str) -> bool:
    """Whether an error's body holds these words."""
    return all(word in answer.get_data(as_text=True) for word in words)


def in_format(name: str, clip: bytes) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(clip), dtype="float32")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=name)
    return buffer.getvalue()
