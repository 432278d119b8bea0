"""An order in, a stream of events out; every route that speaks goes through here."""

from __future__ import annotations

import time
from typing import Protocol

from app.clips.loader import ClipLoader, Role
from app.runner.channel import Completed
from app.runner.channel import Failed as JobFailed
from app.runner.engine import (
    EarlySound,
    EmotionTextUnavailableError,
    ReferenceAudio,
    SegmentAudio,
    SynthesisRequest,
)
from app.runner.job import Seat
from app.runner.runner import InferenceRunner
from app.speech.events import Failed, Finished, SegmentReady, SoundReady, SpeechEvents, Times
from app.speech.order import ClipInput, SpeechOrder

# Lengths are estimated from texts, and the engine may be faster than it was.
ESTIMATE_SLACK = 1.5


class SpeechObserver(Protocol):
    """Is told of finished orders; must be quick and safe for several threads."""

    def finished(self, finished: Finished) -> None:
        """An order was carried out."""


class SpeechService:
    """Carries orders out; threads share it, and it holds nothing of an order.

    Args:
        runner: has the engine.
        clips: fetches and decodes.
        observer: is told of finished orders.
        max_answer_seconds: what would last longer is refused.
    """

    def __init__(
        self,
        runner: InferenceRunner,
        clips: ClipLoader,
        observer: SpeechObserver,
        max_answer_seconds: float,
    ) -> None:
        self._runner = runner
        self._clips = clips
        self._observer = observer
        self._max_answer_seconds = max_answer_seconds

    def speak(self, order: SpeechOrder) -> SpeechEvents:
        """The sound as it is spoken; the last event is Finished or Failed.

        The order holds a seat of the engine from when its clips are there until the engine is done
        with it; a reader who takes longer keeps nobody out.  Closing the generator cancels the work
        within one step.
        """
        try:
            # Before the download: an overload is refused at once.
            self._runner.require_seat(order.work, order.deadline)
            started = time.perf_counter()
            request = self._request(order)
            fetch_seconds = time.perf_counter() - started
            seat = self._runner.take_seat(order.work, order.deadline)
            try:
                yield from self._serve(order, request, fetch_seconds, seat)
            finally:
                seat.leave()
        except Exception as error:
            yield Failed(error)

    def _request(self, order: SpeechOrder) -> SynthesisRequest:
        """The engine's request, with the clips fetched and decoded."""
        if order.emo_text is not None and not self._runner.status().facts.emotion_text:
            raise EmotionTextUnavailableError
        return order.request(
            self._clip("speaker", order.speaker, order),
            None if order.emotion is None else self._clip("emotion", order.emotion, order),
            self._longest(order),
        )

    def _longest(self, order: SpeechOrder) -> float:
        """Seconds that the answer may last: what cannot be done in time is said at once."""
        reachable = self._runner.reachable_seconds(order.deadline)
        return min(self._max_answer_seconds, ESTIMATE_SLACK * reachable)

    def _serve(
        self, order: SpeechOrder, request: SynthesisRequest, fetch_seconds: float, seat: Seat
    ) -> SpeechEvents:
        spoken = _Account()
        for event in self._runner.events(
            request,
            deadline=order.deadline,
            client_gone=order.caller.gone,
            request_id=order.caller.request_id,
            seat=seat,
        ):
            if isinstance(event, JobFailed):
                raise event.error
            if isinstance(event, EarlySound):
                order.caller.more_sound(len(event.waveform) / event.sample_rate)
                yield SoundReady(event.waveform, event.sample_rate)
            elif isinstance(event, SegmentAudio):
                order.caller.more_sound(event.audio_seconds - event.early / event.sample_rate)
                yield spoken.add(event)
            else:
                finished = spoken.finish(event, fetch_seconds)
                self._observer.finished(finished)
                yield finished

    def _clip(self, role: Role, value: ClipInput, order: SpeechOrder) -> ReferenceAudio:
        return self._clips.load(role, value, order.deadline, order.caller.name)


class _Account:
    """Adds up what one order's segments come to."""

    def __init__(self) -> None:
        self._samples = 0
        self._rate = 0
        self._text_tokens = 0
        self._codes = 0

    def add(self, segment: SegmentAudio) -> SegmentReady:
        start = self._samples + segment.lead
        samples = segment.with_pause()
        self._rate = segment.sample_rate
        self._samples += len(samples)
        self._text_tokens += segment.text_tokens
        self._codes += len(segment.codes)
        return SegmentReady(
            text=segment.text,
            spoken_text=segment.spoken_text,
            start=start / self._rate,
            end=(start + len(segment.waveform)) / self._rate,
            samples=samples,
            sample_rate=self._rate,
            early=segment.early,
        )

    def finish(self, done: Completed, fetch_seconds: float) -> Finished:
        return Finished(
            seed=done.seed,
            quality=done.quality,
            warnings=done.warnings,
            times=Times(done.queue_seconds, fetch_seconds, done.inference_seconds, done.stages),
            audio_seconds=self._samples / self._rate if self._rate else 0.0,
            sample_rate=self._rate,
            text_tokens=self._text_tokens,
            codes=self._codes,
        )
