"""The part of the OpenAPI document about stored voices."""

from __future__ import annotations

from typing import Any

from apispec import APISpec

from app.clips.containers import MEDIA_TYPES
from app.routes.openapi_parts import BINARY, answer, error, ref, secured
from app.routes.voice_schemas import (
    NAME_HELP,
    RemovedVoiceResponse,
    VoiceResponse,
    VoicesResponse,
    VoiceUpload,
)

# The form of errors under /v1/.
ERRORS = "OpenAIError"
TAG = "voices"
NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": NAME_HELP,
    "schema": {"type": "string"},
}
ADD_DESCRIPTION = """\
Stores the file as it is, under a name that is free. Off unless the server's `INDEXTTS_VOICES_WRITE`
is on. The clip is judged as every clip is: the first 15 seconds are heard, and 3 to 10 serve best.
"""


def describe_voices(spec: APISpec, with_auth: bool) -> None:
    """Add paths and schemas.

    Args:
        spec: the document.
        with_auth: whether callers need a key.
    """
    for schema in (VoicesResponse, RemovedVoiceResponse, VoiceUpload):
        spec.components.schema(schema.__name__, schema=schema)
    operations = {
        "/v1/audio/voices": {"get": _list(), "post": _add()},
        "/v1/audio/voices/{name}": {"delete": _remove()},
        "/v1/audio/voices/{name}/sample": {"get": _sample()},
    }
    for path, methods in operations.items():
        made = {
            method: secured({"tags": [TAG], **operation}, with_auth, ERRORS)
            for method, operation in methods.items()
        }
        spec.path(path, operations=made, parameters=[NAME] if "{name}" in path else [])


def add_form(schemas: dict[str, Any]) -> None:
    """Put the file into the schema of the form; marshmallow has no fields for files."""
    form = schemas[VoiceUpload.__name__]
    text = "The clip: a file of one of the formats that `spk_audio` of `/tts` may have."
    clip = {"type": "string", "format": "binary", "description": text}
    form["properties"] = {"audio_sample": clip, **form["properties"]}
    form["required"] = sorted({"audio_sample", *form["required"]})


def _list() -> dict[str, Any]:
    body = {"application/json": {"schema": ref(VoicesResponse.__name__)}}
    return {
        "operationId": "voices",
        "summary": "The stored voices",
        "responses": {
            "200": answer("They, with what is known of them.", body),
            **_common(),
        },
    }


def _sample() -> dict[str, Any]:
    return {
        "operationId": "voiceSample",
        "summary": "Hear a stored voice",
        "responses": {
            "200": answer("The clip, as it was stored.", dict.fromkeys(MEDIA_TYPES, BINARY)),
            **_common(),
            "400": _error("No voice can have this name"),
            "404": _error("Unknown voice"),
        },
    }


def _add() -> dict[str, Any]:
    body = {"application/json": {"schema": ref(VoiceResponse.__name__)}}
    return {
        "operationId": "addVoice",
        "summary": "Store a voice",
        "description": ADD_DESCRIPTION,
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": ref(VoiceUpload.__name__)}},
        },
        "responses": {
            "201": answer("It can be used now, on every instance.", body),
            **_common(),
            "400": _error("A field or the clip cannot be used"),
            "403": _error("Voices cannot be changed here"),
            "408": _error("The request did not arrive in time"),
            "409": _error("The name is taken"),
            "413": _error("The request body is too large"),
            "415": _error("Send multipart/form-data"),
            "507": _error("There is no room left for voices"),
        },
    }


def _remove() -> dict[str, Any]:
    body = {"application/json": {"schema": ref(RemovedVoiceResponse.__name__)}}
    return {
        "operationId": "removeVoice",
        "summary": "Remove a stored voice",
        "responses": {
            "200": answer("It is gone; speeches that have begun go on.", body),
            **_common(),
            "403": _error("Voices cannot be changed here"),
            "400": _error("No voice can have this name"),
            "404": _error("Unknown voice"),
        },
    }


def _common() -> dict[str, Any]:
    return {
        "429": error("Rate limit reached, or others are writing", retry=True, schema=ERRORS),
        "500": _error("The folder cannot be read or written"),
    }


def _error(text: str) -> dict[str, Any]:
    return error(text, schema=ERRORS)
