"""The serving loop: takes jobs from the queue, drives the engine, and tells the jobs' channels what
it makes.  Jobs that run together share the model's steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from app.request_id import use_request_id
from app.runner.admission import Admission
from app.runner.attempt import Attempt
from app.runner.channel import Failed, JobEvent
from app.runner.engine import (
    CancelledError,
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
# What is going on is told at least so often while anything is.
TELL_SECONDS = 5.0


class ServingLoop:
    """Serves jobs until the queue is closed; everything here runs in the engine thread.

    Args:
        admission: where jobs come from.
        state: holds the engine.
        loader: brings another engine when the GPU has no memory.
        wait_for_work: returns once a job waits and there is an engine for it, or never will be.
        oom_fallback: whether it may.
        count_out_of_memory: called each time that the device runs out of memory.
        give_up: called with a reason when this process can serve nobody any more.
        changed: called after every job that came or went, and now and then while jobs run.
    """

    def __init__(
        self,
        admission: Admission,
        state: ModelState,
        loader: Loader,
        wait_for_work: Callable[[], None],
        *,
        oom_fallback: bool,
        count_out_of_memory: Callable[[], None],
        give_up: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._admission = admission
        self._state = state
        self._loader = loader
        self._wait_for_work = wait_for_work
        self._oom_fallback = oom_fallback
        self._count_out_of_memory = count_out_of_memory
        self._give_up = give_up
        self._changed = changed
        self._attempts: list[Attempt] = []
        self._broken: str | None = None
        self._told_at = 0.0

    def run(self) -> None:
        """Serve jobs, as many at once as the engine takes; returns once the queue is closed."""
        while self._take_in():
            try:
                self._tick()
            except Exception as error:
                # Without this thread nobody would ever be answered again.
                log.exception("The engine thread met an unexpected error")
                for attempt in tuple(self._attempts):
                    self._end(attempt, self._failed(error))
            for attempt in tuple(self._attempts):
                # Another's failure may have ended it.
                if attempt in self._attempts:
                    self._look_after(attempt)
            if time.monotonic() > self._told_at + TELL_SECONDS:
                self._tell()
            if self._broken is not None:
                self._give_up(self._broken)

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        self._changed()

    def _take_in(self) -> bool:
        """Let jobs in that the engine has room for; False once the queue is closed."""
        while len(self._attempts) < self._state.room:
            if not self._attempts:
                self._wait_for_work()
            job = self._admission.next()
            if job is None:
                break
            with use_request_id(job.request_id):
                self._begin(Attempt(job))
        return not self._admission.closed

    def _begin(self, attempt: Attempt) -> None:
        """Submit a job, unless nobody waits for it any more."""
        self._attempts.append(attempt)
        try:
            last = self._pointless(attempt.job)
            if last is None:
                self._tell()
                self._submit(attempt)
        except Exception as error:
            last = self._failed(error)
        if last is not None:
            self._end(attempt, last)

    def _pointless(self, job: Job) -> JobEvent | None:
        if job.unwanted:
            return Failed(ClientGoneError("gone while queued"))
        if job.overdue:
            return Failed(QueueTimeoutError(self._admission.retry_after()))
        return None

    def _submit(self, attempt: Attempt) -> None:
        engine = self._state.engine
        if engine is not None:
            attempt.begin(engine)

    def _tick(self) -> None:
        engine = self._state.engine
        if engine is not None and self._attempts:
            engine.tick()

    def _look_after(self, attempt: Attempt) -> None:
        """Pass on what a job's engine has made, and end or repeat the job where it has ended."""
        last: JobEvent | None
        failure: Exception | None = None
        with use_request_id(attempt.job.request_id):
            try:
                last = attempt.pass_on()
            except Exception as error:
                last, failure = None, error
            if failure is not None:
                # Behind the handler: inside it, the error would keep the tensors alive.
                last = self._repeat(attempt, failure)
            if last is not None:
                self._end(attempt, last)

    def _repeat(self, attempt: Attempt, error: Exception) -> JobEvent | None:
        """Two attempts on the GPU, then one on the CPU; the last event where all is in vain."""
        if not is_out_of_memory(error):
            return self._failed(error)
        attempt.failures += 1
        self._count_out_of_memory()
        log.warning("Out of memory (attempt %d)", attempt.failures)
        attempt.leave()
        if (engine := self._state.engine) is not None:
            engine.release_memory()
        del engine
        release_memory(error)
        if attempt.failures < ATTEMPTS:
            self._submit(attempt)
            return None
        if not self._oom_fallback or not self._on_cuda():
            return Failed(error)
        return self._go_on_with_cpu(error)

    def _go_on_with_cpu(self, cause: Exception) -> JobEvent | None:
        """All jobs go on with another engine; what their readers have is not made again."""
        for attempt in self._attempts:
            attempt.leave()
        if not self._loader.replace_by_cpu(cause):
            self._broken = "The model could not be loaded; the log says why."
            return Failed(EngineLostError("no engine after the fallback"))
        for attempt in self._attempts:
            self._submit(attempt)
        return None

    def _failed(self, error: Exception) -> Failed:
        """The last event of a job whose work has failed."""
        if isinstance(error, CancelledError):
            return Failed(ClientGoneError("gone while running"))
        if not poisons_device(error):
            return Failed(error)
        if self._broken is None:
            log.error("The device is broken by this error; the worker restarts", exc_info=error)
        self._broken = "The device does not answer correctly any more."
        return Failed(EngineLostError("device error"))

    def _end(self, attempt: Attempt, last: JobEvent) -> None:
        attempt.leave()
        self._attempts.remove(attempt)
        self._admission.done(attempt.job, last)
        # Told first: whoever has the answer finds it counted.
        self._tell()
        attempt.job.events.put(last)

    def _on_cuda(self) -> bool:
        engine = self._state.engine
        return engine is not None and (engine.facts.device or "").startswith("cuda")
