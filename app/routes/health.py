"""``GET /health`` (ready to speak?) and ``GET /health/live`` (alive at all?)."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from app.routes.answers import HealthResponse, LiveResponse
from app.services import services

bp = Blueprint("health", __name__)


@bp.get("/health")
def health() -> tuple[Response, int]:
    """State of the model; 200 only when it can be used."""
    status = services().runner.status()
    return jsonify(HealthResponse().dump(status)), 200 if status.status == "healthy" else 503


@bp.get("/health/live")
def live() -> Response:
    """The process answers."""
    return jsonify(LiveResponse().dump({}))
