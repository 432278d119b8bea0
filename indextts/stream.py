"""Speech while it is made: the primary form of a synthesis; the whole is put together from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indextts.request import SegmentAudio, StageSeconds, Synthesis
from indextts.stages.synthesis import SynthesisRun


class SpeechStream(Iterator[SegmentAudio]):
    """The segments of one request, in order, each as soon as it is spoken.

    Nothing is computed between two calls of ``next``.  Closing the stream, or leaving its ``with``
    block, ends the work.  A stream belongs to one thread at a time.

    Attributes:
        seed: repeats the result; known from the start.
        sample_rate: of all segments, in Hz.
    """

    def __init__(self, run: SynthesisRun, sample_rate: int) -> None:
        self._run = run
        self._segments = run.segments()
        self.seed = run.seed
        self.sample_rate = sample_rate

    def __next__(self) -> SegmentAudio:
        """The next segment.

        Raises:
            TextError, AudioError, EmotionTextUnavailableError: the request cannot be met.
            GenerationError: the model made nothing usable, or NaN.
            CancelledError, DeadlineExceededError: the caller's control said so.
        """
        return next(self._segments)

    def close(self) -> None:
        """End the work; harmless after the end."""
        self._segments.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the caller, so far: unknown characters, segments cut at the bound."""
        return tuple(self._run.warnings)

    @property
    def seconds(self) -> StageSeconds:
        """Wall-clock time of each stage, so far."""
        return self._run.seconds()


def collect(stream: SpeechStream) -> Synthesis:
    """Run a stream to its end; raises what the stream raises."""
    segments = tuple(stream)
    return Synthesis(
        waveform=join_segments(segments),
        sample_rate=stream.sample_rate,
        seed=stream.seed,
        segments=segments,
        seconds=stream.seconds,
        warnings=stream.warnings,
    )


def join_segments(segments: Sequence[SegmentAudio]) -> NDArray[np.float32]:
    """One waveform, with each segment's pause behind it: float32 [samples]."""
    return np.concatenate([segment.with_pause() for segment in segments])
