"""Pieces of the OpenAPI document that its parts are made of."""

from __future__ import annotations

from typing import Any

from app.runner.engine import QUALITIES

BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

# Server-sent events, each of which is described as its fields.
EVENTS: dict[str, Any] = {
    "schema": {
        "type": "object",
        "description": "One event of the stream; data is JSON.",
        "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
        "required": ["data"],
    }
}

# Of every answer that is sound.
QUALITY_HEADER: dict[str, Any] = {
    "X-Quality": {
        "description": "The class that it is spoken in.",
        "schema": {"type": "string", "enum": list(QUALITIES)},
    }
}


def ref(name: str) -> dict[str, str]:
    """A reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(
    text: str, content: dict[str, Any], headers: dict[str, Any] | None = None
) -> dict[str, Any]:
    """An answer with its headers, beside the one that all have."""
    request_id = {"description": "Id of the request.", "schema": {"type": "string"}}
    return {
        "description": text,
        "headers": {"X-Request-ID": request_id, **(headers or {})},
        "content": content,
    }


def error(text: str, *, retry: bool = False, schema: str = "ErrorResponse") -> dict[str, Any]:
    """An error answer; with `retry` it says when to come back."""
    headers = (
        {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
        if retry
        else None
    )
    return answer(text, {"application/json": {"schema": ref(schema)}}, headers)


def secured(
    operation: dict[str, Any], with_auth: bool, schema: str = "ErrorResponse"
) -> dict[str, Any]:
    """The operation, with the key that it needs where keys are needed."""
    if with_auth:
        operation["security"] = [{"bearer": []}, {"key": []}]
        answers = operation["responses"]
        answers["401"] = error("A valid API key or token is required", schema=schema)
        answers.setdefault("429", error("Too many failed logins", retry=True, schema=schema))
    return operation
