"""The HTTP service: Flask, Gunicorn, and one engine thread per worker process.

Everything that needs torch is loaded by :mod:`app.runner.engine` after the fork.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.runner.runner import InferenceRunner
    from app.settings import Settings


def create_app(settings: Settings, runner: InferenceRunner | None = None) -> Flask:
    """Build the Flask application; see :func:`app.factory.build_app`."""
    # Imported late: the Gunicorn master reads app.settings.model and app.web.logs, and must import
    # neither prometheus_client (before its directory is known) nor anything heavier.
    from app.factory import build_app

    return build_app(settings, runner)
