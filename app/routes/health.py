"""``GET /health`` (ready to speak?) and ``GET /health/live`` (alive at all?)."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from app.runner.engine import VERSION
from app.services import services

bp = Blueprint("health", __name__)


@bp.get("/health")
def health() -> tuple[Response, int]:
    """State of the model; 200 only when it can be used."""
    status = services().runner.status()
    answer = jsonify(
        status=status.status,
        model_loaded=status.model_loaded,
        deepspeed_enabled=status.deepspeed_enabled,
        device=status.device,
        precision=status.precision,
        model_name=status.model_name,
        model_version=status.model_version,
        model_notice=status.model_notice or None,
        emotion_text=status.supports_emotion_text,
        queue_length=status.queue_length,
        queue_capacity=status.queue_capacity,
        running=status.running,
        uptime=round(status.uptime, 3),
        reason=status.reason or None,
        fallback=status.fallback or None,
        version=VERSION,
    )
    return answer, 200 if status.status == "healthy" else 503


@bp.get("/health/live")
def live() -> Response:
    """The process answers."""
    return jsonify(status="alive")
