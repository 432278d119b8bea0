"""The part of the OpenAPI document that describes OpenAI's routes."""

from __future__ import annotations

from typing import Any

from apispec import APISpec
from marshmallow import Schema, fields, validate

from app.routes.examples import TEXT
from app.routes.negotiation import EVENT_STREAM
from app.routes.openai.schema import SpeechBody
from app.routes.openapi_parts import BINARY, EVENTS, QUALITY_HEADER, answer, error, ref, secured

AUDIO_TYPES = ("audio/mpeg", "audio/ogg", "audio/aac", "audio/flac", "audio/wav", "audio/pcm")
DESCRIPTION = """\
OpenAI's route, for clients that speak to it, with vLLM-Omni's further fields. Fields that are not
named here are ignored.

mp3, opus, aac and pcm are sent as they are made, wav and flac whole; `stream_format` chooses.
Events: `speech.audio.delta` with `audio` in base64, then `speech.audio.done` with `usage`, or
`error`. A failure after the first sound breaks chunked audio off.
"""
HEADERS = {
    **QUALITY_HEADER,
    "X-Speed": {"description": "The speed taken, if one was given.", "schema": {"type": "number"}},
    "X-Warning": {"description": "What was ignored.", "schema": {"type": "string"}},
}


class OpenAIErrorDetail(Schema):
    """What went wrong."""

    message = fields.Str(required=True, metadata={"description": "Sentence for people."})
    type = fields.Str(required=True, metadata={"description": "Kind of the error."})
    param = fields.Str(required=True, allow_none=True, metadata={"description": "The field."})
    code = fields.Str(required=True, metadata={"description": "Short name for programs."})


class OpenAIError(Schema):
    """Every error under ``/v1/``."""

    error = fields.Nested(OpenAIErrorDetail, required=True)


class ModelAnswer(Schema):
    """A model."""

    id = fields.Str(required=True)
    object = fields.Str(required=True, validate=validate.Equal("model"))
    created = fields.Int(required=True)
    owned_by = fields.Str(required=True)


class ModelList(Schema):
    """All of them."""

    object = fields.Str(required=True, validate=validate.Equal("list"))
    data = fields.List(fields.Nested(ModelAnswer), required=True)


def add_openai_paths(spec: APISpec, schema: SpeechBody, with_auth: bool) -> None:
    """Describe the routes in `spec`.

    Args:
        spec: is added to.
        schema: validates the requests.
        with_auth: whether callers need a key.
    """
    spec.components.schema("SpeechBody", schema=schema)
    for model in (OpenAIError, ModelAnswer, ModelList):
        spec.components.schema(model.__name__, schema=model)
    speech = _speech_operation()
    spec.path("/v1/audio/speech", operations={"post": _with_key(speech, with_auth)})
    listed = _models_operation("models", "All models", "ModelList")
    spec.path("/v1/models", operations={"get": _with_key(listed, with_auth)})
    one = _models_operation("model", "One model", "ModelAnswer")
    one["parameters"] = [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    one["responses"]["404"] = _error("Unknown model")
    spec.path("/v1/models/{name}", operations={"get": _with_key(one, with_auth)})


def _speech_operation() -> dict[str, Any]:
    audio: dict[str, Any] = dict.fromkeys(AUDIO_TYPES, BINARY)
    body = {
        "schema": ref("SpeechBody"),
        "example": {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": "mp3"},
    }
    return {
        "tags": ["openai"],
        "operationId": "openai_speech",
        "summary": "Speak a text, as OpenAI's API does",
        "description": DESCRIPTION,
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": answer("The speech.", {**audio, EVENT_STREAM: EVENTS}, HEADERS),
            "400": _error("A field or a clip cannot be used"),
            "404": _error("Unknown voice"),
            "408": _error("Download timeout"),
            "413": _error("The request body is too large"),
            "415": _error("Send application/json"),
            "429": _error("Queue full, or rate limit reached", retry=True),
            "500": _error("TTS inference failed"),
            "503": _error("Model not loaded", retry=True),
        },
    }


def _models_operation(name: str, summary: str, schema: str) -> dict[str, Any]:
    return {
        "tags": ["openai"],
        "operationId": f"openai_{name}",
        "summary": summary,
        "responses": {
            "200": answer(summary, {"application/json": {"schema": ref(schema)}}),
            "429": _error("Rate limit reached", retry=True),
        },
    }


def _with_key(operation: dict[str, Any], with_auth: bool) -> dict[str, Any]:
    return secured(operation, with_auth, OpenAIError.__name__)


def _error(text: str, *, retry: bool = False) -> dict[str, Any]:
    return error(text, retry=retry, schema=OpenAIError.__name__)
