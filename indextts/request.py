"""What goes into a synthesis and what comes out of it."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from indextts import given, options
from indextts.errors import AudioError, CancelledError, DeadlineExceededError, RequestError
from indextts.quality import QUALITIES, Quality
from indextts.sampling import SamplingChanges, SamplingOptions, check

EMOTIONS = (
    "happy",
    "angry",
    "sad",
    "afraid",
    "disgusted",
    "melancholic",
    "surprised",
    "calm",
)


# How a text is read: as a person reads it aloud, as the original does, or not at all because it
# is spoken text already.
Normalization = Literal["natural", "reference", "off"]
NORMALIZATIONS: tuple[Normalization, ...] = get_args(Normalization)

# What a request bounds by itself; emo_alpha may go beyond, and the sampling has its own.
_OF_REQUEST = (
    options.SPEED,
    options.INTERVAL_SILENCE,
    options.MAX_TEXT_TOKENS,
    options.QUICK_TOKENS,
)


@dataclass(frozen=True, eq=False)
class ReferenceAudio:
    """A decoded reference clip.

    Its samples must not be changed: what was made of them is kept by their digest, which is taken
    once, so the voice would stay the old one.  Make a new clip of a changed copy instead.

    Attributes:
        samples: float32 [n] or [channels, n], full scale is 1.0; not copied.
        sample_rate: in Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        if not isinstance(self.samples, np.ndarray):
            raise AudioError(
                f"the samples of a clip must be a NumPy array, got a {type(self.samples).__name__}"
            )
        if self.samples.ndim not in (1, 2) or self.samples.dtype != np.float32:
            raise AudioError("a clip must be float32 of shape [n] or [channels, n]")
        try:
            rate = given.whole(
                "the sample rate of a clip", self.sample_rate, "a whole number of Hz"
            )
        except RequestError as error:
            raise AudioError(str(error)) from None
        object.__setattr__(self, "sample_rate", rate)
        if self.sample_rate <= 0:
            raise AudioError(f"a clip needs a positive sample rate, got {self.sample_rate}")
        if not np.isfinite(self.samples).all():
            raise AudioError("the clip holds NaN or infinite samples")

    @property
    def seconds(self) -> float:
        return float(self.samples.shape[-1]) / self.sample_rate

    @cached_property
    def digest(self) -> str:
        """SHA-256 over samples, shape and rate, taken once: the identity of the clip in caches."""
        sha = hashlib.sha256(f"{self.sample_rate}:{self.samples.shape}:".encode())
        sha.update(self.samples.tobytes())
        return sha.hexdigest()

    def mono(self) -> NDArray[np.float32]:
        """Mean over the channels, float32 [n]."""
        return self.samples if self.samples.ndim == 1 else self.samples.mean(axis=0)


@dataclass(frozen=True)
class SynthesisRequest:
    """One text in one voice.

    At most one of `emotion`, `emo_vector` and `emo_text` may be given; with none of them the
    speaker's clip carries the emotion.

    Attributes:
        text: what to speak.
        speaker: the voice.
        emotion: a clip whose emotion is taken over.
        emo_alpha: strength of the emotion, usually 0 to 1.  With a clip other values extrapolate;
            with a vector or a text they are clamped.
        emo_vector: 8 strengths in the order of EMOTIONS, used as they are.  Where they sum to more
            than 1, the voice's own emotion is subtracted, and the result warns.
        emo_text: a text from which the Qwen emotion model reads the emotion.
        use_random: with a vector, draw the emotion examples instead of the nearest ones.
        seed: makes the result reproducible; None draws one (it is in the result).
        speed: factor on the pace of the voice; pauses keep their length.
        interval_silence: pause between segments in ms, where the text asks for none.
        max_text_tokens_per_segment: longest segment in text tokens.
        quick_streaming_tokens: bound on the first segment; each one after it may be twice as long
            as the one before, and 1, 1, 2, 4 ... of them are decoded together, so that the first
            sound comes soon (0 = off).
        normalization: how the text is read: "natural", "reference" or "off"; None is the engine's
            own way.
        pauses: whether ``[pause 500ms]``, ``<break time="0.5s"/>`` and blank lines in the text are
            silence (in "reference" blank lines are not).
        segments_per_batch: how many segments are decoded together at most.
        max_audio_seconds: a text whose speech and pauses would last longer is refused; None: any
            length.
        sampling: how codes are drawn: changes of the model's defaults, or all options; they take
            precedence over what the class of quality says.
        quality: "exact" or "fast"; None is the engine's own.
    """

    text: str
    speaker: ReferenceAudio
    emotion: ReferenceAudio | None = None
    emo_alpha: float = options.EMO_ALPHA.default
    emo_vector: tuple[float, ...] | None = None
    emo_text: str | None = None
    use_random: bool = False
    seed: int | None = None
    speed: float = options.SPEED.default
    interval_silence: int = options.INTERVAL_SILENCE.default
    max_text_tokens_per_segment: int = options.MAX_TEXT_TOKENS.default
    quick_streaming_tokens: int = options.QUICK_TOKENS.default
    segments_per_batch: int = 4
    normalization: Normalization | None = None
    pauses: bool = True
    max_audio_seconds: float | None = None
    sampling: SamplingChanges | SamplingOptions = field(default_factory=SamplingChanges)
    quality: Quality | None = None

    def __post_init__(self) -> None:
        self._check_types()
        sources = (self.emotion, self.emo_vector, self.emo_text)
        check(
            sum(source is not None for source in sources) <= 1,
            "give only one of emotion clip, emo_vector and emo_text",
        )
        check(math.isfinite(self.emo_alpha), "emo_alpha must be finite")
        if self.emo_vector is not None:
            check(
                all(0.0 <= value <= 1.2 for value in self.emo_vector),
                "emo_vector entries must be 0 to 1.2",
            )
        check(
            self.seed is None or 0 <= self.seed <= options.MAX_SEED, "seed must be 0 to 2**63 - 1"
        )
        check(
            self.normalization in (None, *NORMALIZATIONS),
            f"normalization must be one of {', '.join(NORMALIZATIONS)}",
        )
        check(self.segments_per_batch >= 1, "segments_per_batch must be at least 1")
        check(
            self.max_audio_seconds is None or not math.isnan(self.max_audio_seconds),
            "max_audio_seconds must be a number; None allows any length",
        )
        check(self.quality in (None, *QUALITIES), f"quality must be one of {', '.join(QUALITIES)}")

    def _check_types(self) -> None:
        """Makes every number a plain one; raises RequestError for what is of another type."""
        given.text("text", self.text)
        _check_clip("speaker", self.speaker)
        if self.emotion is not None:
            _check_clip("emotion", self.emotion)
        if self.emo_text is not None:
            given.text("emo_text", self.emo_text)
        for name in ("use_random", "pauses"):
            given.flag(name, getattr(self, name))
        check(
            isinstance(self.sampling, SamplingChanges | SamplingOptions),
            f"sampling must be SamplingChanges(...), got {given.shown(self.sampling)}",
        )
        plain: dict[str, object] = {
            "emo_alpha": given.number("emo_alpha", self.emo_alpha),
            "segments_per_batch": given.whole("segments_per_batch", self.segments_per_batch),
        }
        for option in _OF_REQUEST:
            plain[option.name] = option.check(getattr(self, option.name))
        if self.emo_vector is not None:
            plain["emo_vector"] = given.numbers("emo_vector", self.emo_vector, len(EMOTIONS))
        if self.seed is not None:
            plain["seed"] = given.whole("seed", self.seed)
        if self.max_audio_seconds is not None:
            plain["max_audio_seconds"] = given.number("max_audio_seconds", self.max_audio_seconds)
        for name, value in plain.items():
            object.__setattr__(self, name, value)


def _check_clip(name: str, clip: object) -> None:
    check(
        isinstance(clip, ReferenceAudio),
        f"{name} must be a ReferenceAudio, got a {type(clip).__name__}; read_audio(...) makes one "
        "of a path, or of the bytes of a file",
    )


@dataclass(frozen=True)
class Progress:
    """Where a synthesis is: `done` of `total` steps of `stage`, for segments `first`...`last`."""

    stage: str
    done: int
    total: int
    first_segment: int
    last_segment: int
    segments: int


@dataclass(frozen=True)
class Control:
    """The caller's grip on a running synthesis; asked in every decode and diffusion step.

    Attributes:
        cancelled: returns True when the result is no longer wanted.
        deadline: value of ``time.monotonic()`` after which the work is stopped.
        progress: told after every step.
    """

    cancelled: Callable[[], bool] | None = None
    deadline: float | None = None
    progress: Callable[[Progress], None] | None = None

    def check(self) -> None:
        """Raises CancelledError or DeadlineExceededError when the work must stop."""
        if self.cancelled is not None and self.cancelled():
            raise CancelledError("the synthesis was cancelled")
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise DeadlineExceededError("the synthesis did not finish before its deadline")


@dataclass(frozen=True)
class StageSeconds:
    """Wall-clock seconds spent in each stage."""

    text: float = 0.0
    reference: float = 0.0
    emotion_text: float = 0.0
    gpt: float = 0.0
    s2mel: float = 0.0
    vocoder: float = 0.0

    @property
    def total(self) -> float:
        return self.text + self.reference + self.emotion_text + self.gpt + self.s2mel + self.vocoder


@dataclass(frozen=True, eq=False)
class EarlySound:
    """The next part of a segment's sound, while the rest of the segment is still being made.

    Attributes:
        index: of the segment.
        start: samples of the segment before it, silence in front included.
        waveform: float32 [samples], full scale is 1.0.
        sample_rate: in Hz.
    """

    index: int
    start: int
    waveform: NDArray[np.float32]
    sample_rate: int

    @property
    def end(self) -> int:
        """Samples of the segment that are there with it."""
        return self.start + len(self.waveform)

    def after(self, samples: int) -> EarlySound:
        """What of it lies behind the segment's first `samples`."""
        gone = min(max(0, samples - self.start), len(self.waveform))
        return EarlySound(self.index, self.start + gone, self.waveform[gone:], self.sample_rate)

    def rest(self) -> NDArray[np.float32]:
        """What was not handed out before: all of it, float32 [samples]."""
        return self.waveform


@dataclass(frozen=True, eq=False)
class SegmentAudio:
    """One segment of the text, spoken.

    Attributes:
        index: position among `count` segments.
        text: the stretch of the request's text that is spoken; in the reference's reading, which
            does not know it, the words.  A long number or address that is spoken in several
            segments stands in each.
        text_tokens: number of text tokens.
        codes: int64 [n], the semantic codes.
        waveform: float32 [samples], full scale is 1.0, without pauses.
        sample_rate: in Hz.
        pause: samples of silence that belong behind this segment; behind the last one only where
            the text asks for it.
        truncated: the length bound was hit; the end of the segment may be missing.
        spoken_text: the words that were spoken, as people write them.
        lead: samples of silence in front of the first segment, where the text asks for it.
        early: samples at its beginning, silence included, that were handed out before it as
            :class:`EarlySound`.
    """

    index: int
    count: int
    text: str
    text_tokens: int
    codes: NDArray[np.int64]
    waveform: NDArray[np.float32]
    sample_rate: int
    pause: int
    truncated: bool
    spoken_text: str = ""
    lead: int = 0
    early: int = 0

    @property
    def audio_seconds(self) -> float:
        """Of the waveform with its silence."""
        return (self.lead + len(self.waveform) + self.pause) / self.sample_rate

    def with_pause(self) -> NDArray[np.float32]:
        """The waveform with its silence: float32 [lead + samples + pause]."""
        return np.pad(self.waveform, (self.lead, self.pause))

    def rest(self) -> NDArray[np.float32]:
        """The same without what was handed out before: float32 [lead + samples + pause - early]."""
        return self.with_pause()[self.early :]


Sound = EarlySound | SegmentAudio
"""What a stream gives: segments, and parts of one before it is whole."""


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A finished request.

    Attributes:
        waveform: float32 [samples], full scale is 1.0, pauses included.
        sample_rate: in Hz.
        seed: repeats the result.
        segments: what was spoken, piece by piece.
        seconds: wall-clock time of each stage.
        warnings: sentences for the caller: unknown characters, segments cut at the bound, an
            emotion that is too strong.
        quality: the class that it was spoken in.
    """

    waveform: NDArray[np.float32]
    sample_rate: int
    seed: int
    segments: tuple[SegmentAudio, ...]
    seconds: StageSeconds
    warnings: tuple[str, ...]
    quality: Quality = "exact"

    @property
    def audio_seconds(self) -> float:
        return len(self.waveform) / self.sample_rate
