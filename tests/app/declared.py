"""Whether what is answered is in the OpenAPI document."""

from __future__ import annotations

import functools
from typing import Any

from flask import Flask, Response, request

from app.routes.openai.schema import SpeechBody
from app.routes.openapi import openapi_document
from app.routes.schemas import StreamRequest, TTSRequest


@functools.cache
def _paths() -> dict[str, Any]:
    document = openapi_document(TTSRequest(9), StreamRequest(9), SpeechBody(9), with_auth=True)
    paths: dict[str, Any] = document["paths"]
    return paths


def note_undeclared(app: Flask, found: list[str]) -> None:
    """Add every answer of `app` to `found` whose status the document does not have."""

    @app.after_request
    def look(response: Response) -> Response:
        rule = "" if request.url_rule is None else request.url_rule.rule
        path = rule.replace("<", "{").replace(">", "}")
        operation = _paths().get(path, {}).get(request.method.lower())
        if operation is not None and str(response.status_code) not in operation["responses"]:
            found.append(f"{request.method} {path}: {response.get_data(as_text=True)}")
        return response
