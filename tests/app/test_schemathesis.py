"""Generated requests against the application: no 5xx, and every answer fits the document."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app import create_app
from app.factory import start_engine
from app.services import services_of
from tests.app.conftest import BASE, wait_until, wave_bytes
from tests.app.gunicorn_server import running_server

pytestmark = [pytest.mark.slow, pytest.mark.deploy]

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CLIP = wave_bytes(0.2, 8000).hex()
JSON = "application/json"
FORM = "multipart/form-data"
BOUNDED = settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def generated_app() -> Flask:
    app = create_app(dataclasses.replace(BASE, request_seconds=5.0, max_text_chars=200))
    start_engine(app)
    wait_until(lambda: services_of(app).runner.status().status == "healthy")
    return app


def document(raw: dict[str, Any], media_type: str | None) -> Any:
    """The document with one kind of body: schemathesis cannot mutate generated files (Binary),
    so files are texts here, and JSON is kept apart from forms."""
    content = raw["paths"]["/tts"]["post"]["requestBody"]["content"]
    for other in set(content) - {media_type}:
        if media_type is not None:
            del content[other]
    for name in ("spk_audio", "emo_audio"):
        raw["components"]["schemas"]["TTSForm"]["properties"][name].pop("format")
    return schemathesis.openapi.from_dict(raw)


def document_of(app: Flask, media_type: str | None) -> Any:
    """The same for an application in this process."""
    loaded = document(app.test_client().get("/openapi.json").get_json(), media_type)
    loaded.app, loaded.location = app, "/openapi.json"
    return loaded


@pytest.mark.parametrize(
    ("method", "path", "media_type", "mode"),
    [
        ("POST", "/tts", JSON, GenerationMode.POSITIVE),
        ("POST", "/tts", JSON, GenerationMode.NEGATIVE),
        ("POST", "/tts", FORM, GenerationMode.POSITIVE),
        ("POST", "/tts", FORM, GenerationMode.NEGATIVE),
        ("POST", "/v1/audio/speech", JSON, GenerationMode.POSITIVE),
        ("POST", "/v1/audio/speech", JSON, GenerationMode.NEGATIVE),
        ("GET", "/v1/models", None, GenerationMode.POSITIVE),
        ("GET", "/v1/models/{name}", None, GenerationMode.POSITIVE),
        ("GET", "/v1/audio/voices", None, GenerationMode.POSITIVE),
        ("GET", "/v1/audio/voices/{name}/sample", None, GenerationMode.POSITIVE),
        ("DELETE", "/v1/audio/voices/{name}", None, GenerationMode.POSITIVE),
        ("GET", "/health", None, GenerationMode.POSITIVE),
        ("GET", "/health/live", None, GenerationMode.POSITIVE),
        ("GET", "/metrics", None, GenerationMode.POSITIVE),
    ],
)
def test_answers_fit_the_document(
    generated_app: Flask, method: str, path: str, media_type: str | None, mode: GenerationMode
) -> None:
    # In a form all values are texts: what is wrong by the schema may be right.  OpenAI's route is
    # lenient: what is null or empty there counts as not given.
    strict = media_type == JSON and path == "/tts"
    checks = [*CHECKS, negative_data_rejection] if strict else CHECKS
    operation = document_of(generated_app, media_type)[path][method]

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(checks=checks)

    check()


def test_requests_with_a_real_clip_are_served(generated_app: Flask) -> None:
    """Without a clip that can be decoded, hardly a generated request would reach the engine."""
    statuses = []
    operation = document_of(generated_app, JSON)["/tts"]["POST"]

    @BOUNDED
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        case.body["spk_audio"] = CLIP
        for name in ("emo_audio", "emo_text"):
            case.body.pop(name, None)
        response = case.call()
        case.validate_response(response, checks=CHECKS)
        statuses.append(response.status_code)

    check()
    assert set(statuses) == {200}


@pytest.mark.parametrize("media_type", [JSON, FORM])
def test_a_running_server_answers_as_documented(
    tmp_path: Path, clip_hex: str, media_type: str
) -> None:
    """Fewer requests, but through Gunicorn and a socket."""
    with running_server(tmp_path, clip_hex, request_seconds=5) as server:
        raw = requests.get(f"{server.url}/openapi.json", timeout=10).json()
        operation = document(raw, media_type)["/tts"]["POST"]

        @settings(BOUNDED, max_examples=25)
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(base_url=server.url, checks=CHECKS)

        check()
        assert server.health().status_code == 200
