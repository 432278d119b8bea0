"""The parts that the views use, made once for each application."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from app.clips.loader import ClipLoader
from app.metrics import Metrics
from app.places import Places
from app.runner.runner import InferenceRunner
from app.runner.watchdog import Watchdog
from app.settings import Settings
from app.speech.service import SpeechService
from app.voices.store import VoiceStore
from app.web.auth import Authenticator
from app.web.rate_limit import RateLimiter

KEY = "indextts"


@dataclass(frozen=True)
class Services:
    """See the classes of the fields."""

    settings: Settings
    runner: InferenceRunner
    watchdog: Watchdog
    metrics: Metrics
    authenticator: Authenticator
    rate_limiter: RateLimiter | None
    speech: SpeechService
    streams: Places
    voices: VoiceStore
    clips: ClipLoader


def services() -> Services:
    """The parts of the current application."""
    return services_of(current_app)


def services_of(app: Flask) -> Services:
    """The parts of `app`."""
    found: Services = app.extensions[KEY]
    return found
