"""A job's way through the engine, which may have to be begun again."""

from __future__ import annotations

import time
from dataclasses import replace

from app.runner.channel import Completed
from app.runner.engine import Control, EarlySound, Engine, Progress, Sound, Speaking
from app.runner.errors import EngineLostError
from app.runner.job import Job


class Attempt:
    """What was handed out stays handed out: a further attempt speaks with the same seed and passes
    over the sound that the reader has.

    Attributes:
        job: that is served.
        failures: how often memory ran out.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.failures = 0
        self._request = job.request
        self._speaking: Speaking | None = None
        self._refusal: Exception | None = None
        self._sent = self._early = 0
        self._audio_seconds = 0.0
        self._started = time.monotonic()
        self._queue_seconds = self._started - job.queued_at

    def begin(self, engine: Engine) -> None:
        """Submit the request; what the engine has against it is told by :meth:`pass_on`."""
        job = self.job
        job.last_step = time.monotonic()
        control = Control(cancelled=self._cancelled, deadline=job.deadline, progress=self._progress)
        try:
            self._speaking = engine.submit(self._request, control)
        except Exception as error:
            self._refusal = error
        else:
            self._request = replace(self._request, seed=self._speaking.seed)

    def leave(self) -> None:
        """End the engine's work on it, and hold nothing of the engine any more."""
        speaking, self._speaking = self._speaking, None
        self.job.last_step = None
        if speaking is not None:
            speaking.close()

    def pass_on(self) -> Completed | None:
        """Give the reader what has become ready; the last event when all has been spoken.

        Raises:
            ReaderTooSlowError: more waits for the reader than may.
            EngineLostError: there is no engine any more.
            Exception: why the engine has given up.
        """
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal
        speaking, job = self._speaking, self.job
        if speaking is None:
            raise EngineLostError("there is no engine")
        # Asked first: what is ready when it has ended is all there is.
        ended = speaking.ended
        for sound in speaking.take():
            job.last_step = time.monotonic()
            if sound.index >= self._sent:
                self._send(sound)
        if not ended:
            return None
        if speaking.error is not None:
            raise speaking.error
        return Completed(
            seed=speaking.seed,
            quality=speaking.quality,
            warnings=speaking.warnings,
            stages=speaking.seconds,
            queue_seconds=self._queue_seconds,
            inference_seconds=time.monotonic() - self._started,
            audio_seconds=self._audio_seconds,
        )

    def _send(self, sound: Sound) -> None:
        """Give the reader what it has not heard of a segment."""
        if isinstance(sound, EarlySound):
            new = sound.after(self._early)
            if len(new.waveform):
                self._early = new.end
                self.job.events.put(new)
            return
        self._audio_seconds += len(sound.waveform) / sound.sample_rate
        self.job.events.put(replace(sound, early=self._early))
        self._early = 0
        self._sent += 1

    def _cancelled(self) -> bool:
        self.job.last_step = time.monotonic()
        return self.job.unwanted

    def _progress(self, _: Progress) -> None:
        self.job.last_step = time.monotonic()
