from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.factory import start_engine
from app.services import services_of
from app.speech.order import SpeechOrder
from tests.app.conftest import BASE, wait_until
from tests.app.declared import note_undeclared
from tests.app.routes.openai.calls import speak


@pytest.fixture(scope="module")
def shared_app() -> Iterator[Flask]:
    """One for all tests that leave nothing behind."""
    app = create_app(BASE)
    undeclared: list[str] = []
    note_undeclared(app, undeclared)
    start_engine(app)
    wait_until(lambda: services_of(app).runner.status().status == "healthy")
    yield app
    assert undeclared == []


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()


@pytest.fixture
def order_of(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends a body and gives the order that became of it."""
    taken: list[SpeechOrder] = []
    service = services_of(client.application).speech
    speak_order = service.speak

    def note(order: SpeechOrder) -> Any:
        taken.append(order)
        return speak_order(order)

    monkeypatch.setattr(service, "speak", note)

    def send(**fields: Any) -> SpeechOrder:
        answer = speak(client, **fields)
        assert taken, answer.get_data(as_text=True)
        return taken.pop()

    return send
