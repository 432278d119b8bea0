"""What the speech service answers an order with: a stream of events, and the whole made of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.runner.engine import Quality, StageSeconds


@dataclass(frozen=True, eq=False)
class SoundReady:
    """The next part of a segment's sound, before the segment is whole.

    Attributes:
        samples: float32 [n], full scale is 1.0.
        sample_rate: in Hz.
    """

    samples: NDArray[np.float32] = field(repr=False)
    sample_rate: int

    @property
    def rest(self) -> NDArray[np.float32]:
        """What is new of it: all, float32 [n]."""
        return self.samples


@dataclass(frozen=True, eq=False)
class SegmentReady:
    """One segment, spoken.

    Attributes:
        text: the stretch of the order's text that is spoken.
        spoken_text: the words that are heard.
        start, end: where it sounds, in seconds from the beginning.
        samples: float32 [n], full scale is 1.0, with the pauses that belong around it.
        sample_rate: in Hz.
        early: samples at the beginning that came before, as :class:`SoundReady`.
    """

    text: str
    spoken_text: str
    start: float
    end: float
    samples: NDArray[np.float32] = field(repr=False)
    sample_rate: int
    early: int = 0

    @property
    def rest(self) -> NDArray[np.float32]:
        """The samples that did not come before, float32 [n - early]."""
        return self.samples[self.early :]


@dataclass(frozen=True)
class Times:
    """Wall-clock seconds of an order.

    Attributes:
        queue: wait for the engine.
        fetch: fetching and decoding the clips.
        inference: the engine.
        stages: parts of `inference`.
    """

    queue: float
    fetch: float
    inference: float
    stages: StageSeconds

    def by_stage(self) -> dict[str, float]:
        """Seconds of each stage, by name."""
        return asdict(self.stages)


@dataclass(frozen=True)
class Finished:
    """Everything has been spoken.

    Attributes:
        seed: repeats the result.
        quality: the class that it was spoken in.
        warnings: sentences for the caller.
        times: of the order.
        audio_seconds: length of the sound.
        sample_rate: of the sound, in Hz.
        text_tokens: read by the model.
        codes: made by it.
    """

    seed: int
    quality: Quality
    warnings: tuple[str, ...]
    times: Times
    audio_seconds: float
    sample_rate: int
    text_tokens: int
    codes: int

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work for a second of sound."""
        return self.times.inference / self.audio_seconds if self.audio_seconds > 0 else 0.0

    def log_fields(self) -> dict[str, float | str]:
        """Class and times by name, for a log line."""
        return {
            "quality": self.quality,
            "queue_time": self.times.queue,
            "fetch_time": self.times.fetch,
            "inference_time": self.times.inference,
            "audio_length": self.audio_seconds,
            **{f"{name}_time": value for name, value in self.times.by_stage().items()},
        }


@dataclass(frozen=True, eq=False)
class Failed:
    """The order was not carried out, or not to its end."""

    error: Exception


Audible = SoundReady | SegmentReady
SpeechEvent = Audible | Finished | Failed
SpeechEvents = Generator[SpeechEvent, None, None]


@dataclass(frozen=True, eq=False)
class Speech:
    """A whole answer.

    Attributes:
        samples: float32 [n], pauses included.
        segments: in order.
        finished: the last event.
    """

    samples: NDArray[np.float32] = field(repr=False)
    segments: tuple[SegmentReady, ...]
    finished: Finished


def collect(events: SpeechEvents) -> Speech:
    """Put a stream together; raises the error of a Failed."""
    segments: list[SegmentReady] = []
    with closing(events):
        for event in events:
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Finished):
                samples = np.concatenate([segment.samples for segment in segments])
                return Speech(samples, tuple(segments), event)
            if isinstance(event, SegmentReady):
                segments.append(event)
    raise RuntimeError("a stream ended without its last event")
