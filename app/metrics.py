"""Prometheus metrics; right for several workers too (prometheus_client's multiprocess mode).

The mode is on when ``PROMETHEUS_MULTIPROC_DIR`` is set before prometheus_client is first
imported; :mod:`app.gunicorn.hooks` does that, and gives each worker a number for its files.
"""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from app.counter_files import DIR_VARIABLE, ID_VARIABLE, use_counter_files
from app.runner.engine import WorkStats
from app.runner.status import STATUSES, EngineUsage, RunnerStatus
from app.speech.events import Finished

CONTENT_TYPE = CONTENT_TYPE_LATEST
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160)
RTF = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1, 1.5, 2, 4, 8, 16, 32)


class Metrics:
    """All metrics of a worker; an observer of the runner and of the speech service."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        if DIR_VARIABLE in os.environ and ID_VARIABLE in os.environ:
            use_counter_files(os.environ[DIR_VARIABLE], os.environ[ID_VARIABLE])
        self.requests = Counter(
            "indextts_http_requests",
            "Answers by route, method and status",
            ["route", "method", "code"],
            registry=registry,
        )
        self.latency = Histogram(
            "indextts_http_request_seconds",
            "Time from the first line of a request to its answer",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.refusals = Counter(
            "indextts_refusals", "Requests not served, by reason", ["reason"], registry=registry
        )
        self.queue_seconds = Histogram(
            "indextts_queue_seconds", "Wait for the engine", buckets=SECONDS, registry=registry
        )
        self.fetch_seconds = Histogram(
            "indextts_fetch_seconds",
            "Fetching and decoding the clips",
            buckets=SECONDS,
            registry=registry,
        )
        self.inference_seconds = Histogram(
            "indextts_inference_seconds", "Synthesis", buckets=SECONDS, registry=registry
        )
        self.stage_seconds = Histogram(
            "indextts_stage_seconds",
            "Stages of the synthesis",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.rtf = Histogram(
            "indextts_rtf",
            "Inference time by audio length",
            ["quality"],
            buckets=RTF,
            registry=registry,
        )
        self.audio_seconds = Counter(
            "indextts_audio_seconds", "Seconds of audio made", ["quality"], registry=registry
        )
        self.tokens = Counter(
            "indextts_tokens", "Text tokens read, codes made", ["kind"], registry=registry
        )
        self.oom = Counter(
            "indextts_out_of_memory", "Times that the device ran out of memory", registry=registry
        )
        self.cache = Counter(
            "indextts_voice_cache", "Look-ups of voices", ["result"], registry=registry
        )
        self.first_sound_seconds = Histogram(
            "indextts_first_sound_seconds",
            "Streams: time from the first line of a request to its first sound",
            buckets=SECONDS,
            registry=registry,
        )
        self.streams_broken = Counter(
            "indextts_streams_broken",
            "Streams that did not reach their end: the client left, or the speech failed",
            ["reason"],
            registry=registry,
        )
        self.streams_open = _live_gauge(registry, "streams_open", "Streams being sent")
        self.queue_length = _live_gauge(registry, "queue_length", "Requests waiting")
        self.expected_wait = Gauge(
            "indextts_expected_wait_seconds",
            "What a new request would about wait, at the busiest worker",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.running = _live_gauge(registry, "running", "Syntheses running")
        self.state = _live_gauge(
            registry, "model_state", "Workers whose model is in the state", "state"
        )
        self.idle = _live_gauge(
            registry, "idle_unloaded", "Workers whose model is unloaded because nobody needs it"
        )
        self.idle_unloads = Counter(
            "indextts_idle_unloads",
            "Times that the model was unloaded because nobody needed it",
            registry=registry,
        )
        self.fallback = _live_gauge(registry, "cpu_fallback", "Workers that fell back to the CPU")
        self.cache_bytes = _live_gauge(registry, "voice_cache_bytes", "Memory of cached voices")
        self.device_bytes = _live_gauge(registry, "device_memory_bytes", "GPU memory of tensors")
        self.slots = _live_gauge(
            registry, "slots", "Segments that can be decoded together; fewer after lack of memory"
        )
        self.members = _live_gauge(
            registry, "segments", "Segments in the stages of the engine", "stage"
        )
        self.steps = Counter(
            "indextts_steps",
            "Steps of the GPT, of its single sequences (codes) and of single flows",
            ["kind"],
            registry=registry,
        )
        self.frames = Counter(
            "indextts_flow_frames",
            "Frames that steps of flows have computed, by use",
            ["use"],
            registry=registry,
        )
        self._seen_idle = False
        self._seen_hits = 0
        self._seen_misses = 0
        self._seen = WorkStats()

    def http(self, route: str, method: str, code: int, seconds: float) -> None:
        """Count an answer."""
        method = method if method in METHODS else "other"
        self.requests.labels(route, method, str(code)).inc()
        self.latency.labels(route).observe(seconds)

    def finished(self, finished: Finished) -> None:
        """See :class:`app.speech.service.SpeechObserver`."""
        times = finished.times
        self.queue_seconds.observe(times.queue)
        self.fetch_seconds.observe(times.fetch)
        self.inference_seconds.observe(times.inference)
        for stage, seconds in times.by_stage().items():
            self.stage_seconds.labels(stage).observe(seconds)
        if finished.audio_seconds > 0:
            self.rtf.labels(finished.quality).observe(finished.rtf)
        self.audio_seconds.labels(finished.quality).inc(finished.audio_seconds)
        self.tokens.labels("text").inc(finished.text_tokens)
        self.tokens.labels("codes").inc(finished.codes)

    def first_sound(self, seconds: float) -> None:
        """A stream has its first sound."""
        self.first_sound_seconds.observe(seconds)

    def stream_opened(self) -> None:
        """A stream begins."""
        self.streams_open.inc()

    def stream_closed(self, broken: str) -> None:
        """A stream is over; `broken` says why its end is missing: "client", "failure" or ""."""
        self.streams_open.dec()
        if broken:
            self.streams_broken.labels(broken).inc()

    def runner_changed(self, status: RunnerStatus, usage: EngineUsage) -> None:
        """See :class:`app.runner.status.RunnerObserver`."""
        self.queue_length.set(status.queue_length)
        self.expected_wait.set(status.expected_wait)
        self.running.set(status.jobs_running)
        for name in STATUSES:
            self.state.labels(name).set(name == status.status)
        self.idle.set(status.idle_unloaded)
        self.idle_unloads.inc(status.idle_unloaded and not self._seen_idle)
        self._seen_idle = status.idle_unloaded
        self.fallback.set(bool(status.fallback))
        self.cache_bytes.set(usage.cache_bytes)
        self.device_bytes.set(usage.device_bytes)
        # The engine counts for itself; a new engine (the fallback) starts again at 0.
        self.cache.labels("hit").inc(max(0, usage.cache_hits - self._seen_hits))
        self.cache.labels("miss").inc(max(0, usage.cache_misses - self._seen_misses))
        self._seen_hits, self._seen_misses = usage.cache_hits, usage.cache_misses
        self._work(usage.work)

    def _work(self, work: WorkStats) -> None:
        self.slots.set(work.slots)
        for stage in ("waiting", "decoding", "flowing", "voicing"):
            self.members.labels(stage).set(getattr(work, stage))
        # A new engine starts again at 0.
        seen = self._seen if work.gpt_steps >= self._seen.gpt_steps else WorkStats()
        self.steps.labels("gpt").inc(work.gpt_steps - seen.gpt_steps)
        self.steps.labels("codes").inc(work.codes - seen.codes)
        self.steps.labels("flow").inc(work.flow_steps - seen.flow_steps)
        padding = work.flow_padding - seen.flow_padding
        self.frames.labels("padding").inc(padding)
        self.frames.labels("speech").inc(work.flow_frames - seen.flow_frames - padding)
        self.oom.inc(work.out_of_memory - seen.out_of_memory)
        self._seen = work

    def out_of_memory(self) -> None:
        """See :class:`app.runner.status.RunnerObserver`."""
        self.oom.inc()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format, of all workers where there are several."""
        if DIR_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _live_gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    """A gauge that is the sum over the living workers."""
    return Gauge(f"indextts_{name}", text, labels, registry=registry, multiprocess_mode="livesum")
