"""The two shapes of an error's body, and which of them an address has.

``{"error": code, "detail": sentence, "errors"?: {field: [sentences]}, "codes"?: {field: code},
"request_id": id}`` is ours; under ``/v1/`` it is OpenAI's, whose clients read nothing else:
``{"error": {"message", "type", "param", "code"}}``.

Standard library only: ``nginx/render.py`` reads this without the service's packages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.web.errors import ApiError, FieldErrors

OPENAI_PREFIX = "/v1/"
MAX_ERRORS = 30
# Sentences about fields that stand in OpenAI's one message.
_MAX_SENTENCES = 5
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# What OpenAI's clients know under another name.
_CODES = {"unauthorized": "invalid_api_key"}


def speaks_openai(path: str) -> bool:
    """Whether errors at this path have OpenAI's shape, be there a route or not."""
    return path.startswith(OPENAI_PREFIX)


def error_body(path: str, error: ApiError, request_id: str) -> dict[str, Any]:
    """The body of an error answer in the shape that `path` has."""
    return openai_body(error) if speaks_openai(path) else own_body(error, request_id)


def error_status(path: str, error: ApiError) -> int:
    """The status of an error answer; OpenAI says 400 of a field that does not fit."""
    return 400 if error.status == 422 and speaks_openai(path) else error.status


def own_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """Our shape."""
    body: dict[str, Any] = {"error": error.code, "detail": error.detail}
    if error.errors:
        body["errors"] = _shown(error.errors)
    if error.codes:
        body["codes"] = error.codes
    body["request_id"] = request_id
    return body


def openai_body(error: ApiError) -> dict[str, Any]:
    """OpenAI's shape; the first field that is wrong is its `param`."""
    fields = [name for name in error.errors or {} if name != "_schema"]
    return {
        "error": {
            "message": _message(error),
            "type": openai_type(error.status),
            "param": fields[0] if fields else None,
            "code": _CODES.get(error.code, error.code),
        }
    }


def openai_type(status: int) -> str:
    """OpenAI's word for this kind of error."""
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def _message(error: ApiError) -> str:
    """One text with what our shape says in several places."""
    told = [
        sentence if name == "_schema" else f"{name}: {sentence}"
        for name, sentences in (error.errors or {}).items()
        for sentence in _sentences(sentences)
    ]
    if not told:
        return error.detail
    more = [f"and {len(told) - _MAX_SENTENCES} more"] if len(told) > _MAX_SENTENCES else []
    return f"{error.detail}: {'; '.join(told[:_MAX_SENTENCES] + more)}"


def _sentences(found: Any) -> Iterator[str]:
    """The sentences in what a field's error holds, however deep they lie."""
    if isinstance(found, Mapping):
        found = list(found.values())
    if isinstance(found, list | tuple):
        for part in found:
            yield from _sentences(part)
    else:
        yield str(found)


def _shown(errors: FieldErrors) -> FieldErrors:
    """As many errors as a person reads: an answer is never longer than its request deserves."""
    if len(errors) <= MAX_ERRORS:
        return errors
    first = dict(list(errors.items())[:MAX_ERRORS])
    return {**first, "_schema": [f"and {len(errors) - MAX_ERRORS} more fields"]}
