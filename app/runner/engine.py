"""The one place that touches the engine: what we ask of it, how it is loaded, how it fails.

Importing this module imports numpy, never torch: torch comes with the first
:func:`load_engine`, in the worker process, after the fork.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, cast

from indextts import __version__ as VERSION
from indextts.errors import (
    AudioError,
    CancelledError,
    ConfigError,
    DeadlineExceededError,
    EmotionTextUnavailableError,
    IndexTTSError,
    ModelFileError,
    QualityUnavailableError,
    RequestError,
    TextError,
    TextFault,
)
from indextts.facts import ModelFacts
from indextts.options import (
    MAX_MEL_TOKENS,
    MAX_SEED,
    OPTIONS,
    QUICK_TOKENS,
    SPEED,
    STREAM_QUICK_TOKENS,
    Option,
)
from indextts.quality import QUALITIES, WEIGHTS, FastClass, Quality
from indextts.request import (
    EMOTIONS,
    NORMALIZATIONS,
    Control,
    EarlySound,
    Normalization,
    Progress,
    ReferenceAudio,
    SegmentAudio,
    Sound,
    StageSeconds,
    SynthesisRequest,
)
from indextts.sampling import SamplingChanges
from indextts.utils.device_errors import (
    free_memory,
    is_out_of_memory,
    loaded_torch,
    poisons_device,
    release_memory,
)
from indextts.work_stats import WorkStats

__all__ = [
    "EMOTIONS",
    "MAX_MEL_TOKENS",
    "MAX_SEED",
    "NORMALIZATIONS",
    "OPTIONS",
    "QUALITIES",
    "QUICK_TOKENS",
    "SPEED",
    "STREAM_QUICK_TOKENS",
    "VERSION",
    "AudioError",
    "CancelledError",
    "ConfigError",
    "Control",
    "DeadlineExceededError",
    "EarlySound",
    "EmotionTextUnavailableError",
    "Engine",
    "EngineOptions",
    "FastClass",
    "IndexTTSError",
    "ModelFacts",
    "ModelFileError",
    "Normalization",
    "Option",
    "Progress",
    "Quality",
    "QualityUnavailableError",
    "ReferenceAudio",
    "RequestError",
    "SamplingChanges",
    "SegmentAudio",
    "Sound",
    "Speaking",
    "StageSeconds",
    "SynthesisRequest",
    "TextError",
    "TextFault",
    "WorkStats",
    "device_memory",
    "fast_class",
    "free_memory",
    "is_out_of_memory",
    "poisons_device",
    "release_memory",
]

log = logging.getLogger(__name__)


class CacheStats(Protocol):
    """Counters of the engine's cache of voices."""

    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def entries(self) -> int: ...


class Speaking(Protocol):
    """What the service uses of :class:`indextts.stream.Speaking`."""

    @property
    def seed(self) -> int: ...
    @property
    def quality(self) -> Quality: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...
    @property
    def seconds(self) -> StageSeconds: ...
    @property
    def ended(self) -> bool: ...
    @property
    def error(self) -> Exception | None: ...

    def take(self) -> Sequence[Sound]:
        """The sound that has become ready since the last call."""
        ...

    def close(self) -> None:
        """End the work."""
        ...


class Engine(Protocol):
    """What the service uses of :class:`indextts.infer_v2.IndexTTS2`."""

    @property
    def facts(self) -> ModelFacts: ...

    def submit(self, request: SynthesisRequest, control: Control | None = None) -> Speaking:
        """Let a request take part in the work; asks `control` in every round."""
        ...

    def tick(self) -> bool:
        """One round of work for all that was submitted."""
        ...

    def stats(self) -> WorkStats:
        """What is being worked on, and sums since the start."""
        ...

    def cache_stats(self) -> CacheStats:
        """Counters since the start."""
        ...

    def release_memory(self) -> None:
        """Drop what is only kept to save time."""
        ...


@dataclass(frozen=True)
class EngineOptions:
    """How to load an engine; see :class:`app.settings.model.Settings`."""

    model_dir: str
    device: str
    precision: str
    deepspeed: str
    verbalizer: str
    normalization: str
    cache_bytes: int
    max_batch: int | Literal["auto"] = "auto"
    quality: str = "exact"
    fast: FastClass = field(default_factory=FastClass)
    encoders_device: str = "auto"


def fast_class(weights: str, steps: str, prompt_seconds: str, beams: str) -> FastClass:
    """The class "fast" as settings describe it.

    Args:
        weights: one of :data:`indextts.quality.WEIGHTS`.
        steps, prompt_seconds, beams: a number, "exact" to save nothing, or "auto" for what the
            engine has found to be enough.
    """
    savings: dict[str, Any] = {
        name: None if text == "exact" else number(text)
        for name, text, number in (
            ("diffusion_steps", steps, int),
            ("prompt_seconds", prompt_seconds, float),
            ("num_beams", beams, int),
        )
        if text != "auto"
    }
    (known,) = (name for name in WEIGHTS if name == weights)
    return replace(FastClass(), weights=known, **savings)


EngineFactory = Callable[[EngineOptions], Engine]


def engine_factory(spec: str) -> EngineFactory:
    """The factory that `spec` (``module:name``) names, or the real engine's for an empty text.

    Raises:
        ValueError: `spec` names nothing that can be called.
    """
    if not spec:
        return _load_indextts2
    module, _, name = spec.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"INDEXTTS_ENGINE: cannot import {spec!r}: {error}") from error
    if not callable(factory):
        raise ValueError(f"INDEXTTS_ENGINE: {spec!r} cannot be called")
    return cast(EngineFactory, factory)


def _load_indextts2(options: EngineOptions) -> Engine:
    available = importlib.util.find_spec("deepspeed") is not None
    log.info("DeepSpeed is %s", "available" if available else "not available")
    # Imports torch, which belongs into the worker process alone.
    from indextts.infer_v2 import IndexTTS2

    return IndexTTS2(
        options.model_dir,
        device=options.device,
        precision=options.precision,
        deepspeed=options.deepspeed,
        verbalizer=options.verbalizer,
        normalization=options.normalization,
        cache_bytes=options.cache_bytes,
        max_batch=options.max_batch,
        quality=options.quality,
        fast=options.fast,
        encoders_device=options.encoders_device,
    )


def device_memory(device: str) -> int:
    """Bytes that tensors of this process hold on a GPU such as "cuda:1"; 0 on the CPU."""
    torch = loaded_torch()
    if torch is None or not device.startswith("cuda"):
        return 0
    return int(torch.cuda.memory_allocated(device))
