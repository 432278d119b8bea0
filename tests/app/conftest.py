"""Fixtures of the service's tests: an application with the stand-in engine, and a clip."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.factory import start_engine
from app.services import services_of
from app.settings import Settings
from tests.app.declared import note_undeclared

STAND_IN = "tests.app.stand_in_engine:make"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "voices"
BASE = Settings(
    engine=STAND_IN, fetch_allow=("127.0.0.0/8",), rate_burst=3, voices_dir=str(EXAMPLES)
)

AppMaker = Callable[..., Flask]


def wave_bytes(seconds: float = 0.5, rate: int = 16000) -> bytes:
    """A WAV file with a tone."""
    samples = 0.4 * np.sin(2 * np.pi * 180 * np.arange(int(seconds * rate)) / rate)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.astype(np.float32), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition; fails the test when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def clip() -> bytes:
    return wave_bytes()


@pytest.fixture(scope="session")
def clip_hex(clip: bytes) -> str:
    return clip.hex()


@pytest.fixture
def make_app() -> Iterator[AppMaker]:
    """Builds an application; its engine is loaded unless ``start=False``.

    Whatever the test is about, the document must have the status of every answer.
    """
    undeclared: list[str] = []

    def make(start: bool = True, **changes: object) -> Flask:
        app = create_app(dataclasses.replace(BASE, **changes))  # type: ignore[arg-type]
        note_undeclared(app, undeclared)
        if start:
            start_engine(app)
            wait_until(lambda: services_of(app).runner.status().status == "healthy")
        return app

    yield make
    assert undeclared == []


@pytest.fixture
def client(make_app: AppMaker) -> FlaskClient:
    return make_app().test_client()
