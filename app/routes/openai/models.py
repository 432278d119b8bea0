"""``GET /v1/models`` and ``GET /v1/models/{id}``: what clients may call the one model."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from app.routes.receive import admit
from app.services import services
from app.web.errors import ApiError

NAMES = ("indextts2", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
# When IndexTTS2 was published, in seconds of Unix time: clients want a number here.
CREATED = 1_757_289_600

bp = Blueprint("openai_models", __name__)


@bp.get("/v1/models")
def models() -> Response:
    """All names, each as OpenAI describes a model."""
    admit(services())
    return jsonify({"object": "list", "data": [_model(name) for name in _names()]})


@bp.get("/v1/models/<name>")
def model(name: str) -> Response:
    """One of them."""
    admit(services())
    if name not in _names():
        errors = {"model": ["There is no such model; /v1/models lists all names."]}
        raise ApiError(404, "model_not_found", "Unknown model", errors=errors)
    return jsonify(_model(name))


def _names() -> tuple[str, ...]:
    loaded = services().runner.status().facts.model_name
    return NAMES if loaded is None or loaded in NAMES else (*NAMES, loaded)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "indextts"}
