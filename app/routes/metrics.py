"""``GET /metrics`` for Prometheus."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.metrics import CONTENT_TYPE
from app.services import services

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def metrics() -> Response:
    """All metrics; with keys configured a key is needed, unless the settings say otherwise."""
    parts = services()
    if not parts.settings.metrics_public:
        parts.authenticator.identify(request)
    return Response(parts.metrics.exposition(), content_type=CONTENT_TYPE)
