"""The OpenAPI 3.1 document, made from the schemas that validate."""

from __future__ import annotations

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from app.routes.schemas import (
    FORMATS,
    ErrorResponse,
    HealthResponse,
    LiveResponse,
    TTSRequest,
    TTSResponse,
)
from app.runner.engine import VERSION

DESCRIPTION = """\
Text to speech in the voice of a clip (IndexTTS2). One request speaks one text; the emotion comes
from the voice itself, a second clip, eight numbers, or a description.

Every error has the same form: `error` for programs, `detail` for people, `errors` for single
fields, and `request_id`, under which the server's log says more.
"""
AUDIO_TYPES = ("audio/wav", "audio/flac", "audio/mpeg", "audio/ogg")
NUMBER_HEADERS = {
    "X-Audio-Length": "Seconds of audio.",
    "X-Inference-Time": "Seconds of the model.",
    "X-Queue-Time": "Seconds in the queue.",
    "X-Fetch-Time": "Seconds for the clips.",
    "X-RTF": "X-Inference-Time / X-Audio-Length.",
}


def openapi_document(tts_schema: TTSRequest, with_auth: bool) -> dict[str, Any]:
    """Build the document.

    Args:
        tts_schema: the schema that validates the requests, with its limits.
        with_auth: whether callers need a key.
    """
    spec = APISpec(
        title="IndexTTS2 API",
        version=VERSION,
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin()],
        info={"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": "."}],
        tags=[{"name": "speech"}, {"name": "service"}],
    )
    spec.components.schema("TTSRequest", schema=tts_schema)
    for model in (TTSResponse, HealthResponse, LiveResponse, ErrorResponse):
        spec.components.schema(model.__name__, schema=model)
    if with_auth:
        spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
        spec.components.security_scheme(
            "key", {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        )
    spec.path("/tts", operations={"post": _tts_operation(with_auth)})
    spec.path("/health", operations={"get": _health_operation()})
    spec.path("/health/live", operations={"get": _live_operation()})
    spec.path("/metrics", operations={"get": _metrics_operation(with_auth)})
    document: dict[str, Any] = spec.to_dict()
    schemas = document["components"]["schemas"]
    schemas["TTSForm"] = _form_schema(schemas["TTSRequest"])
    return document


def _tts_operation(with_auth: bool) -> dict[str, Any]:
    numbers = {
        name: {"description": text, "schema": {"type": "number"}}
        for name, text in NUMBER_HEADERS.items()
    }
    numbers["X-Seed"] = {"description": "Repeats this result.", "schema": {"type": "integer"}}
    answers: dict[str, Any] = {"application/json": {"schema": _ref("TTSResponse")}}
    answers |= {kind: {"schema": {"type": "string", "format": "binary"}} for kind in AUDIO_TYPES}
    operation: dict[str, Any] = {
        "tags": ["speech"],
        "operationId": "tts",
        "summary": "Speak a text",
        "description": "Answers JSON, or the audio itself where `Accept` prefers `audio/*`; "
        f"`format` (one of {', '.join(FORMATS)}) says in which form.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _ref("TTSRequest")},
                "multipart/form-data": {"schema": _ref("TTSForm")},
            },
        },
        "responses": {
            "200": _answer("The speech.", answers, numbers),
            "400": _error("Invalid audio input format"),
            "408": _error("Download timeout"),
            "413": _error("The request body is too large"),
            "415": _error("Send application/json or multipart/form-data"),
            "422": _error("Validation failed"),
            "429": _error("Queue full, or rate limit reached", retry=True),
            "500": _error("TTS inference failed"),
            "503": _error("Model not loaded", retry=True),
        },
    }
    return _secured(operation, with_auth)


def _health_operation() -> dict[str, Any]:
    body = {"application/json": {"schema": _ref("HealthResponse")}}
    return {
        "tags": ["service"],
        "operationId": "health",
        "summary": "State of the model",
        "responses": {
            "200": _answer("The model can be used.", body),
            "503": _answer("It cannot.", body),
        },
    }


def _live_operation() -> dict[str, Any]:
    body = {"application/json": {"schema": _ref("LiveResponse")}}
    return {
        "tags": ["service"],
        "operationId": "live",
        "summary": "Does the process answer?",
        "responses": {"200": _answer("It does.", body)},
    }


def _metrics_operation(with_auth: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["service"],
        "operationId": "metrics",
        "summary": "Prometheus metrics",
        "responses": {"200": _answer("Metrics.", {"text/plain": {"schema": {"type": "string"}}})},
    }
    return _secured(operation, with_auth)


def _secured(operation: dict[str, Any], with_auth: bool) -> dict[str, Any]:
    if with_auth:
        operation["security"] = [{"bearer": []}, {"key": []}]
        operation["responses"]["401"] = _error("A valid API key or token is required")
    return operation


def _form_schema(request_schema: dict[str, Any]) -> dict[str, Any]:
    """The same fields for multipart/form-data, where clips may be files."""
    properties = dict(request_schema["properties"])
    for name in ("spk_audio", "emo_audio"):
        text = properties[name].get("description", "")
        properties[name] = {"type": "string", "format": "binary", "description": text}
    return {**request_schema, "properties": properties}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(
    text: str, content: dict[str, Any], headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    request_id = {"description": "Id of the request.", "schema": {"type": "string"}}
    return {
        "description": text,
        "headers": {"X-Request-ID": request_id, **(headers or {})},
        "content": content,
    }


def _error(text: str, *, retry: bool = False) -> dict[str, Any]:
    headers = (
        {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
        if retry
        else None
    )
    return _answer(text, {"application/json": {"schema": _ref("ErrorResponse")}}, headers)
