"""Put the application together."""

from __future__ import annotations

import ipaddress
import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.clips.fetch.policy import FetchPolicy
from app.clips.limits import ClipLimits
from app.clips.loader import ClipLoader
from app.metrics import Metrics
from app.places import Places
from app.routes import health, metrics, voices
from app.routes.docs import make_docs_blueprint
from app.routes.openai import models
from app.routes.openai.schema import SpeechBody
from app.routes.openai.speech import make_openai_speech_blueprint
from app.routes.openapi import openapi_document
from app.routes.page import PageFacts, make_page_blueprint
from app.routes.problems import register_error_handlers
from app.routes.schemas import StreamRequest, TTSRequest
from app.routes.stream import make_stream_blueprint
from app.routes.table import QUIET_PATHS
from app.routes.tts import make_tts_blueprint
from app.runner.engine import Engine, EngineOptions, engine_factory, fast_class
from app.runner.idle import IdlePolicy
from app.runner.process import exit_process
from app.runner.runner import InferenceRunner, RunnerPolicy
from app.runner.watchdog import Watchdog
from app.services import KEY, Services, services_of
from app.settings import Settings
from app.speech.service import SpeechService
from app.voices.bundled import prepare
from app.voices.store import VoiceStore
from app.web.auth import make_authenticator
from app.web.hooks import register_request_hooks
from app.web.rate_limit import make_rate_limiter

log = logging.getLogger(__name__)

STREAM_RETRY_SECONDS = 5
HOME = Path(__file__).resolve().parents[1]


def build_app(settings: Settings, runner: InferenceRunner | None = None) -> Flask:
    """Build the application; nothing is loaded before :func:`start_engine`.

    Args:
        settings: the configuration.
        runner: the engine's thread; None makes the one that the settings describe.

    Raises:
        SettingsError: a file or package that the settings need is missing.
    """
    app = Flask("app", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body_bytes
    app.config["MAX_FORM_PARTS"] = 64
    app.json.sort_keys = False  # type: ignore[attr-defined]
    parts = _make_services(settings, runner)
    app.extensions[KEY] = parts

    register_request_hooks(app, parts.metrics, settings.cors_origins, QUIET_PATHS)
    register_error_handlers(app)
    whole, streamed = TTSRequest(settings.max_text_chars), StreamRequest(settings.max_text_chars)
    app.register_blueprint(make_tts_blueprint(whole))
    app.register_blueprint(make_stream_blueprint(streamed))
    app.register_blueprint(voices.bp)
    openai_body = SpeechBody(settings.max_text_chars)
    app.register_blueprint(make_openai_speech_blueprint(openai_body))
    app.register_blueprint(models.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(metrics.bp)
    if settings.docs:
        describe = partial(
            openapi_document, whole, streamed, openai_body, parts.authenticator.enabled
        )
        app.register_blueprint(make_docs_blueprint(describe))
    if settings.page or settings.docs:
        facts = _page_facts(settings, parts.authenticator.enabled) if settings.page else None
        app.register_blueprint(make_page_blueprint(facts))
    if settings.trust_proxy:
        hops = settings.trust_proxy
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app


def start_engine(
    app: Flask,
    wait_seconds: float = 0.0,
    wait_reason: str = "",
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Start loading the model in the background; to be called once the process is a worker.

    Args:
        app: with a runner that has not been started.
        wait_seconds, wait_reason, ready: see :meth:`InferenceRunner.start`.
    """
    parts = services_of(app)
    parts.runner.start(wait_seconds, wait_reason, ready)
    parts.watchdog.start()


def _make_services(settings: Settings, runner: InferenceRunner | None) -> Services:
    counters = Metrics()
    runner = runner or _make_runner(settings, counters)
    stored = _make_voices(settings)
    clips = _make_clips(settings, stored)
    return Services(
        settings=settings,
        runner=runner,
        watchdog=Watchdog(
            runner, settings.stuck_seconds, settings.stuck_exit_seconds, exit_process
        ),
        metrics=counters,
        authenticator=make_authenticator(settings),
        rate_limiter=make_rate_limiter(settings),
        speech=SpeechService(runner, clips, counters, settings.max_answer_seconds),
        # A caller's burst may fill the queue, whoever reads it slowly.
        streams=Places(
            "streams", settings.stream_places, 1 + settings.queue_size, STREAM_RETRY_SECONDS
        ),
        voices=stored,
        clips=clips,
    )


def _page_facts(settings: Settings, needs_key: bool) -> PageFacts:
    return PageFacts(
        needs_key=needs_key,
        docs=settings.docs,
        quality=settings.quality,
        max_text_chars=settings.max_text_chars,
        # Three bytes are four in base64; the rest of the body is small.
        max_clip_bytes=min(settings.fetch_max_bytes, settings.max_body_bytes * 7 // 10),
        max_clip_seconds=settings.max_audio_seconds,
    )


def _make_runner(settings: Settings, counters: Metrics) -> InferenceRunner:
    def load(device: str | None) -> Engine:
        return engine_factory(settings.engine)(engine_options(settings, device))

    policy = RunnerPolicy(
        queue_size=settings.queue_size,
        queue_seconds=settings.queue_seconds,
        oom_fallback=settings.oom_fallback,
        load_failure_seconds=settings.load_failure_seconds,
        idle=IdlePolicy(settings.idle_unload_seconds or None, settings.idle_reload == "refuse"),
    )
    return InferenceRunner(load, policy, exit_process, counters)


def engine_options(settings: Settings, device: str | None = None) -> EngineOptions:
    """How to load the engine; `device` in place of the one that is set."""
    return EngineOptions(
        model_dir=settings.model_dir,
        device=device or settings.device,
        precision="fp32" if device == "cpu" else settings.precision,
        deepspeed=settings.deepspeed,
        verbalizer=settings.verbalizer,
        normalization=settings.normalization,
        cache_bytes=settings.voice_cache_bytes,
        max_batch="auto" if settings.max_batch == "auto" else int(settings.max_batch),
        quality=settings.quality,
        fast=fast_class(
            settings.fast_weights,
            settings.fast_steps,
            settings.fast_prompt_seconds,
            settings.fast_beams,
        ),
        encoders_device=settings.encoders_device,
    )


def _make_voices(settings: Settings) -> VoiceStore:
    """The stored voices, with their folder filled if it was empty."""
    auto = settings.voices_dir == "auto"
    folder = HOME / "voices" if auto else Path(settings.voices_dir).resolve()
    prepared = prepare(folder, HOME / "examples" / "voices")
    store = VoiceStore(
        prepared.folder,
        settings.voice_fallback,
        settings.fetch_max_bytes,
        read_only=prepared.in_place,
    )
    if settings.voices_write and not store.writable:
        log.warning("No voices can be added: the folder %s cannot be written to.", folder)
    return store


def _make_clips(settings: Settings, voices: VoiceStore) -> ClipLoader:
    policy = FetchPolicy(
        total_seconds=settings.fetch_seconds,
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
        allow=tuple(ipaddress.ip_network(text, strict=False) for text in settings.fetch_allow),
        ports=frozenset(int(port) for port in settings.fetch_ports),
    )
    limits = ClipLimits(
        max_bytes=settings.fetch_max_bytes,
        max_seconds=settings.max_audio_seconds,
        max_channels=settings.max_audio_channels,
    )
    downloads = settings.download_places
    places = Places(
        "downloads", downloads, max(1, downloads // 2), math.ceil(settings.fetch_seconds)
    )
    return ClipLoader(policy, limits, places, voices)
