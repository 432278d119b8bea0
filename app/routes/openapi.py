"""The OpenAPI 3.1 document, made from the schemas that validate."""

from __future__ import annotations

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from app.routes.answers import (
    ErrorResponse,
    HealthResponse,
    LiveResponse,
    SegmentEvent,
    SummaryEvent,
    TTSResponse,
)
from app.routes.examples import TEXT, example_body
from app.routes.negotiation import EVENT_STREAM
from app.routes.openai.documents import add_openai_paths
from app.routes.openai.schema import SpeechBody
from app.routes.openapi_parts import BINARY, EVENTS, QUALITY_HEADER, answer, error, ref, secured
from app.routes.openapi_voices import add_form, describe_voices
from app.routes.schemas import FORMATS, STREAM_FORMATS, StreamRequest, TTSRequest
from app.runner.engine import VERSION

MODELS = (TTSResponse, SegmentEvent, SummaryEvent, HealthResponse, LiveResponse, ErrorResponse)
DESCRIPTION = """\
Text to speech in the voice of a clip (IndexTTS2). One request speaks one text; the emotion comes
from the voice itself, a second clip, eight numbers, or a description.

Every error has the same form: `error` for programs, `detail` for people, `errors` for single
fields with their `codes`, and `request_id`, under which the server's log says more. Under `/v1/`
errors have OpenAI's form.
"""
STREAM_DESCRIPTION = f"""\
Each segment is sent as soon as it is spoken. The answer begins with the first sound; until then an
error has a status of its own. A failure after that breaks the chunked body off, so that half a
sentence never looks whole. `format` (one of {", ".join(STREAM_FORMATS)}) or `Accept` choose the
form; `pcm` is signed 16 bit, little-endian, mono, its rate in the Content-Type.

With `Accept: text/event-stream`: the events `start`, `segment` (SegmentEvent) ..., `finished`
(SummaryEvent) or `error` (ErrorResponse), whose `audio`, decoded and joined, is the file. In the
class `fast` the first segment begins with events `sound`, which have nothing but `audio`.
"""
AUDIO_TYPES = ("audio/wav", "audio/flac", "audio/mpeg", "audio/ogg")
NUMBER_HEADERS = {
    "X-Audio-Length": "Seconds of audio.",
    "X-Inference-Time": "Seconds of the model.",
    "X-Queue-Time": "Seconds in the queue.",
    "X-Fetch-Time": "Seconds for the clips.",
    "X-RTF": "X-Inference-Time / X-Audio-Length.",
}


def openapi_document(
    tts_schema: TTSRequest,
    stream_schema: StreamRequest,
    openai_schema: SpeechBody,
    with_auth: bool,
) -> dict[str, Any]:
    """Build the document.

    Args:
        tts_schema, stream_schema, openai_schema: what validates the requests, with its limits.
        with_auth: whether callers need a key.
    """
    spec = APISpec(
        title="IndexTTS2 API",
        version=VERSION,
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin()],
        info={"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": "."}],
        tags=[{"name": name} for name in ("speech", "voices", "openai", "service")],
    )
    spec.components.schema("TTSRequest", schema=tts_schema)
    spec.components.schema("StreamRequest", schema=stream_schema)
    for model in MODELS:
        spec.components.schema(model.__name__, schema=model)
    if with_auth:
        spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
        spec.components.security_scheme(
            "key", {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        )
    example = example_body()
    spec.path("/tts", operations={"post": _tts_operation(example, with_auth)})
    spec.path("/tts/stream", operations={"post": _stream_operation(example, with_auth)})
    describe_voices(spec, with_auth)
    add_openai_paths(spec, openai_schema, with_auth)
    spec.path("/health", operations={"get": _health_operation()})
    spec.path("/health/live", operations={"get": _live_operation()})
    spec.path("/metrics", operations={"get": _metrics_operation(with_auth)})
    document: dict[str, Any] = spec.to_dict()
    schemas = document["components"]["schemas"]
    for name in ("TTS", "Stream"):
        schemas[f"{name}Form"] = _form_schema(schemas[f"{name}Request"])
    add_form(schemas)
    return document


def _tts_operation(example: dict[str, Any], with_auth: bool) -> dict[str, Any]:
    numbers = {
        name: {"description": text, "schema": {"type": "number"}}
        for name, text in NUMBER_HEADERS.items()
    }
    numbers["X-Seed"] = {"description": "Repeats this result.", "schema": {"type": "integer"}}
    numbers |= QUALITY_HEADER
    answers: dict[str, Any] = {"application/json": {"schema": ref("TTSResponse")}}
    answers |= dict.fromkeys(AUDIO_TYPES, BINARY)
    operation: dict[str, Any] = {
        "tags": ["speech"],
        "operationId": "tts",
        "summary": "Speak a text",
        "description": "Answers JSON, or the audio itself where `Accept` prefers `audio/*`; "
        f"`format` (one of {', '.join(FORMATS)}) says in which form.",
        "requestBody": _bodies("TTS", example),
        "responses": {"200": answer("The speech.", answers, numbers), **_speech_errors()},
    }
    return secured(operation, with_auth)


def _stream_operation(example: dict[str, Any], with_auth: bool) -> dict[str, Any]:
    answers: dict[str, Any] = dict.fromkeys((*AUDIO_TYPES, "audio/pcm"), BINARY)
    answers[EVENT_STREAM] = EVENTS
    operation: dict[str, Any] = {
        "tags": ["speech"],
        "operationId": "stream",
        "summary": "Speak a text, and send the sound while it is being made",
        "description": STREAM_DESCRIPTION,
        "requestBody": _bodies("Stream", example),
        "responses": {
            "200": answer("The speech, in pieces.", answers, QUALITY_HEADER),
            **_speech_errors(),
        },
    }
    return secured(operation, with_auth)


def _bodies(name: str, example: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {
            "application/json": {"schema": ref(f"{name}Request"), "example": example},
            "multipart/form-data": {"schema": ref(f"{name}Form"), "example": {"text": TEXT}},
        },
    }


def _speech_errors() -> dict[str, Any]:
    return {
        "400": error("Invalid audio input format"),
        "404": error("Unknown voice"),
        "408": error("Download timeout"),
        "413": error("The request body is too large"),
        "415": error("Send application/json or multipart/form-data"),
        "422": error("Validation failed"),
        "429": error("Queue full, or rate limit reached", retry=True),
        "500": error("TTS inference failed"),
        "503": error("Model not loaded", retry=True),
    }


def _health_operation() -> dict[str, Any]:
    body = {"application/json": {"schema": ref("HealthResponse")}}
    return {
        "tags": ["service"],
        "operationId": "health",
        "summary": "State of the model",
        "responses": {
            "200": answer("The model can be used.", body),
            "503": answer("It cannot.", body),
        },
    }


def _live_operation() -> dict[str, Any]:
    body = {"application/json": {"schema": ref("LiveResponse")}}
    return {
        "tags": ["service"],
        "operationId": "live",
        "summary": "Does the process answer?",
        "responses": {"200": answer("It does.", body)},
    }


def _metrics_operation(with_auth: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["service"],
        "operationId": "metrics",
        "summary": "Prometheus metrics",
        "responses": {"200": answer("Metrics.", {"text/plain": {"schema": {"type": "string"}}})},
    }
    return secured(operation, with_auth)


def _form_schema(request_schema: dict[str, Any]) -> dict[str, Any]:
    """The same fields for multipart/form-data, where clips may be files."""
    properties = dict(request_schema["properties"])
    for name in ("spk_audio", "emo_audio"):
        text = properties[name].get("description", "")
        properties[name] = {"type": "string", "format": "binary", "description": text}
    return {**request_schema, "properties": properties}
