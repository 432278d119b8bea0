"""The serving loop: takes jobs from the queue and tells their channels what the engine makes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from app.request_id import use_request_id
from app.runner.admission import Admission
from app.runner.channel import Completed, Failed, JobEvent
from app.runner.engine import (
    CancelledError,
    Control,
    Progress,
    is_out_of_memory,
    poisons_device,
    release_memory,
)
from app.runner.errors import (
    ClientGoneError,
    EngineLostError,
    QueueTimeoutError,
)
from app.runner.job import Job
from app.runner.loading import Loader
from app.runner.status import ModelState

log = logging.getLogger(__name__)

# On the GPU; a third one may follow on the CPU.
ATTEMPTS = 2


class ServingLoop:
    """Serves jobs until the queue is closed; everything here runs in the engine thread.

    Args:
        admission: where jobs come from.
        state: holds the engine.
        loader: brings another engine when the GPU has no memory.
        oom_fallback: whether it may.
        count_out_of_memory: called each time that the device runs out of memory.
        give_up: called with a reason when this process can serve nobody any more.
        changed: called after every job that came or went.
    """

    def __init__(
        self,
        admission: Admission,
        state: ModelState,
        loader: Loader,
        *,
        oom_fallback: bool,
        count_out_of_memory: Callable[[], None],
        give_up: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._admission = admission
        self._state = state
        self._loader = loader
        self._oom_fallback = oom_fallback
        self._count_out_of_memory = count_out_of_memory
        self._give_up = give_up
        self._changed = changed
        self._broken: str | None = None

    def run(self) -> None:
        """Serve one job after the other; returns once the queue is closed."""
        while (job := self._admission.next()) is not None:
            last: JobEvent
            try:
                with use_request_id(job.request_id):
                    last = self._serve(job)
            except Exception as error:
                # Without this thread nobody would ever be answered again.
                log.exception("The engine thread met an unexpected error")
                last = Failed(error)
            self._admission.done(job, last)
            # Told first: whoever has the answer finds it counted.
            self._changed()
            job.events.put(last)
            if self._broken is not None:
                self._give_up(self._broken)

    def _serve(self, job: Job) -> JobEvent:
        """Serve a job; the result is its last event."""
        if job.unwanted:
            return Failed(ClientGoneError("gone while queued"))
        if job.overdue:
            return Failed(QueueTimeoutError(self._admission.retry_after()))
        self._changed()
        try:
            return self._synthesize(job)
        except CancelledError:
            return Failed(ClientGoneError("gone while running"))
        except Exception as error:
            if not poisons_device(error):
                return Failed(error)
            log.exception("The device is broken by this error; the worker will restart")
            self._broken = "The device does not answer correctly any more."
            return Failed(EngineLostError("device error"))

    def _synthesize(self, job: Job) -> Completed:
        """Two attempts on the GPU, then one on the CPU, with the memory freed in between."""
        attempt = _Attempt(job)
        for count in range(1, ATTEMPTS + 1):
            try:
                return attempt.run(self._state)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                log.warning("Out of memory (attempt %d)", count)
                self._count_out_of_memory()
                failure = error
            # Behind the handler: inside it, the error would keep the tensors alive.
            if (engine := self._state.engine) is not None:
                engine.release_memory()
            del engine
            release_memory(failure)
        if not self._oom_fallback or not self._on_cuda():
            raise failure
        if not self._loader.replace_by_cpu(failure):
            self._broken = "The model could not be loaded; the log says why."
            raise EngineLostError("no engine after the fallback")
        return attempt.run(self._state)

    def _on_cuda(self) -> bool:
        engine = self._state.engine
        return engine is not None and (engine.facts.device or "").startswith("cuda")


class _Attempt:
    """A job's way through the engine, which may have to be begun again.

    What was handed out stays handed out: another attempt speaks with the same seed and passes
    over the segments that the reader has.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._request = job.request
        self._sent = 0
        self._queue_seconds = time.monotonic() - job.queued_at

    def run(self, state: ModelState) -> Completed:
        engine, job = state.engine, self._job
        if engine is None:
            raise EngineLostError("there is no engine")
        started = job.last_step = time.monotonic()
        control = Control(cancelled=self._cancelled, deadline=job.deadline, progress=self._progress)
        try:
            with engine.stream(self._request, control) as stream:
                self._request = replace(self._request, seed=stream.seed)
                for segment in stream:
                    job.last_step = time.monotonic()
                    if segment.index >= self._sent:
                        job.events.put(segment)
                        self._sent += 1
                return Completed(
                    seed=stream.seed,
                    warnings=stream.warnings,
                    stages=stream.seconds,
                    queue_seconds=self._queue_seconds,
                    inference_seconds=time.monotonic() - started,
                )
        finally:
            job.last_step = None

    def _cancelled(self) -> bool:
        self._job.last_step = time.monotonic()
        return self._job.unwanted

    def _progress(self, _: Progress) -> None:
        self._job.last_step = time.monotonic()
