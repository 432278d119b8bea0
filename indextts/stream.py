"""Speech while it is made: the primary form of a synthesis; the whole is put together from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indextts.quality import Quality
from indextts.request import EarlySound, SegmentAudio, Sound, StageSeconds, Synthesis
from indextts.scheduler import Scheduler
from indextts.stages.synthesis import SynthesisRun


class _Speech:
    """What can be said of a request's speech at any time.

    Args:
        scheduler: has the work.
        run: the request's state.
        sample_rate: of all segments, in Hz.

    Attributes:
        seed: repeats the result; known from the start.
        quality: the class that it is spoken in.
        sample_rate: as above.
    """

    def __init__(self, scheduler: Scheduler, run: SynthesisRun, sample_rate: int) -> None:
        self._scheduler, self._run = scheduler, run
        self.seed = run.seed
        self.quality: Quality = run.quality
        self.sample_rate = sample_rate

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the caller, so far: unknown characters, segments cut at the bound."""
        return tuple(self._run.warnings)

    @property
    def seconds(self) -> StageSeconds:
        """Wall-clock time of each stage, so far; shared work counts in full for everybody."""
        return self._run.seconds()


class Speaking(_Speech):
    """A request in the engine's work, submitted.  It goes on while anybody drives the engine."""

    def __init__(self, scheduler: Scheduler, run: SynthesisRun, sample_rate: int) -> None:
        super().__init__(scheduler, run, sample_rate)
        scheduler.submit(run)

    def take(self) -> list[Sound]:
        """The sound that has become ready since the last call, in order."""
        sound: list[Sound] = []
        while self._run.ready:
            sound.append(self._run.ready.popleft())
        return sound

    def wait(self) -> None:
        """Drive the engine until sound is ready or the request has ended."""
        self._scheduler.wait(self._run)

    @property
    def ended(self) -> bool:
        """Whether no more sound will become ready."""
        return self._run.ended

    @property
    def error(self) -> Exception | None:
        """Why it has ended early."""
        return self._run.error

    def close(self) -> None:
        """End the work; harmless after the end."""
        self._scheduler.drop(self._run)


class SpeechStream(_Speech, Iterator[SegmentAudio]):
    """The segments of one request, in order, each as soon as it is spoken.

    It is worked on in the calls of ``next``, of this stream or of others of the engine; nothing
    is computed while nobody calls.  Closing the stream, or leaving its ``with`` block, ends the
    work.  A stream belongs to one thread at a time.
    """

    def __init__(self, scheduler: Scheduler, run: SynthesisRun, sample_rate: int) -> None:
        super().__init__(scheduler, run, sample_rate)
        self._begun = self._closed = False

    def __next__(self) -> SegmentAudio:
        """The next segment; raises what :meth:`next_sound` does."""
        while isinstance(sound := self.next_sound(), EarlySound):
            pass
        if sound is None:
            raise StopIteration
        return sound

    def next_sound(self) -> Sound | None:
        """The next segment, or what there is of it before; None at the end.

        In the class "fast" a first segment that is to come soon (``quick_streaming_tokens``) is
        spoken in parts.  Whoever plays a part plays the segment's :meth:`SegmentAudio.rest` only.

        Raises:
            TextError, AudioError, EmotionTextUnavailableError: the request cannot be met.
            GenerationError: the model made nothing usable, or NaN.
            CancelledError, DeadlineExceededError: the caller's control said so.
        """
        run = self._run
        if self._closed:
            return None
        if not self._begun:
            self._begun = True
            self._scheduler.submit(run)
        try:
            self._scheduler.wait(run)
        except BaseException:
            self.close()
            raise
        if run.ready:
            return run.ready.popleft()
        self._closed = True
        if run.error is not None:
            raise run.error
        return None

    def close(self) -> None:
        """End the work; harmless after the end."""
        if self._begun and not self._closed:
            self._scheduler.drop(self._run)
        self._closed = True

    def __del__(self) -> None:
        # Nobody can take the rest.
        if not self._closed and self._begun:
            self._scheduler.abandon(self._run)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


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
        quality=stream.quality,
    )


def join_segments(segments: Sequence[SegmentAudio]) -> NDArray[np.float32]:
    """One waveform, with each segment's pause behind it: float32 [samples]."""
    return np.concatenate([segment.with_pause() for segment in segments])
