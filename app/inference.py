"""The engine thread of a worker: loads the model, then serves a bounded queue.

Request threads call :meth:`InferenceRunner.run` and block.  The engine belongs to one
thread; everything another thread may read or write is guarded by one condition.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import InvalidStateError
from concurrent.futures import TimeoutError as NotDoneError
from contextlib import contextmanager
from dataclasses import dataclass

from app.engine import (
    CancelledError,
    Control,
    Engine,
    IndexTTSError,
    Progress,
    Synthesis,
    SynthesisRequest,
    device_memory,
    is_out_of_memory,
    poisons_device,
    release_memory,
)
from app.job import (
    ClientGoneError,
    EngineLostError,
    Job,
    NotReadyError,
    Outcome,
    QueueFullError,
    QueueTimeoutError,
)
from app.request_id import use_request_id
from app.runner_status import EngineUsage, RunnerObserver, RunnerStatus, Status, describe

log = logging.getLogger(__name__)

EXIT_FAILED = 70  # EX_SOFTWARE; not 3 or 4, on which the Gunicorn master gives up.
POLL_SECONDS = 0.25
LOADING_RETRY_SECONDS = 5


@dataclass(frozen=True)
class RunnerPolicy:
    """Limits of the runner; see the settings of the same names."""

    queue_size: int = 6
    oom_fallback: bool = True
    load_failure_seconds: float = 10.0


class InferenceRunner:
    """One engine, one thread, one bounded queue.

    Args:
        load: builds the engine; its argument overrides the configured device (``"cpu"``).
        policy: limits.
        exit_process: ends the worker process after a failure that only a restart can heal.
        observer: is told about every change; called from several threads.
    """

    def __init__(
        self,
        load: Callable[[str | None], Engine],
        policy: RunnerPolicy,
        exit_process: Callable[[int], None],
        observer: RunnerObserver | None = None,
    ) -> None:
        self._load = load
        self._policy = policy
        self._exit_process = exit_process
        self._observer = observer
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._status: Status = "loading"
        self._reason = ""
        self._fallback = ""
        self._jobs: deque[Job] = deque()
        self._current: Job | None = None
        self._seats_taken = 0
        self._last_step: float | None = None
        self._mean_seconds = 5.0
        self._started_at = time.monotonic()

    def start(self) -> None:
        """Start loading in the background; further calls do nothing."""
        with self._changed:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._main, name="engine", daemon=True)
        self._tell()
        self._thread.start()

    # -- for request threads -------------------------------------------------------------

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Hold one of ``1 + queue_size`` places, from before the download to the answer.

        Raises:
            NotReadyError: no model is loaded.
            QueueFullError: every place is taken.
        """
        with self._changed:
            self._require_healthy()
            if self._seats_taken > self._policy.queue_size:
                raise QueueFullError(self._retry_after())
            self._seats_taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._seats_taken -= 1

    def run(
        self,
        request: SynthesisRequest,
        *,
        deadline: float,
        client_gone: Callable[[], bool],
        request_id: str = "",
    ) -> Outcome:
        """Wait for the turn, synthesise, return.

        Raises:
            NotReadyError, QueueTimeoutError, ClientGoneError, EngineLostError: see app.job.
            indextts.errors.IndexTTSError: the engine refused or failed.
        """
        job = Job(request, deadline, client_gone, request_id)
        with self._changed:
            self._require_healthy()
            self._jobs.append(job)
            self._changed.notify_all()
        self._tell()
        while True:
            try:
                return job.future.result(timeout=POLL_SECONDS)
            except NotDoneError:
                if job.future.done():
                    return job.future.result()  # it came just now, or is a TimeoutError itself
                self._leave_queue_if_pointless(job)

    def status(self) -> RunnerStatus:
        """What /health shows."""
        with self._changed:
            return describe(
                self._engine,
                status=self._status,
                reason=self._reason,
                fallback=self._fallback,
                queue_length=len(self._jobs),
                queue_capacity=self._policy.queue_size,
                running=self._current is not None,
                uptime=time.monotonic() - self._started_at,
            )

    # -- for the watchdog ----------------------------------------------------------------

    def silent_seconds(self) -> float:
        """How long the running inference has not made a step; 0 when nothing runs."""
        last = self._last_step
        return 0.0 if last is None else time.monotonic() - last

    def set_stuck(self, stuck: bool) -> None:
        """Mark the running inference as hung, or as going on again."""
        with self._changed:
            if self._status not in ("healthy", "stuck"):
                return
            self._status = "stuck" if stuck else "healthy"
            self._reason = "The running inference makes no progress." if stuck else ""
        self._tell()

    def abandon(self, reason: str) -> None:
        """Answer everybody who waits with an error; the process is about to end."""
        with self._changed:
            self._status, self._reason = "failed", reason
            waiting, self._jobs = list(self._jobs), deque()
            current = self._current
        for job in waiting:
            self._settle(job, NotReadyError("failed", LOADING_RETRY_SECONDS))
        if current is not None:
            self._settle(current, EngineLostError(reason))
        self._tell()

    # -- the engine thread ---------------------------------------------------------------

    def _main(self) -> None:
        if not self._load_engine(None):
            return
        while self._status != "failed":
            with self._changed:
                while not self._jobs:
                    self._changed.wait()
                job = self._current = self._jobs.popleft()
            try:
                with use_request_id(job.request_id):
                    self._serve(job)
            except Exception as error:
                # Without this thread nobody would ever be answered again.
                log.exception("The engine thread met an unexpected error")
                self._settle(job, error)
            finally:
                with self._changed:
                    self._current = None
                self._tell()

    def _load_engine(self, device: str | None) -> bool:
        started = time.monotonic()
        failure: Exception
        try:
            engine = self._load(device)
        except Exception as error:
            failure = error
        else:
            return self._take(engine, time.monotonic() - started)
        # Behind the handler: inside it, the error would keep the tensors alive.
        if device is None and self._policy.oom_fallback and is_out_of_memory(failure):
            log.error("The model does not fit into the GPU's memory; loading it for the CPU")
            self._count_out_of_memory()
            release_memory(failure)
            self._fallback = "The model did not fit into the GPU's memory; the CPU is in use."
            return self._load_engine("cpu")
        # Our own errors say what to do; for others the trace is needed.
        trace = None if isinstance(failure, IndexTTSError) else failure
        log.error("The model could not be loaded: %s", failure, exc_info=trace)
        self._give_up("The model could not be loaded; the log says why.")
        return False

    def _take(self, engine: Engine, seconds: float) -> bool:
        with self._changed:
            self._engine, self._status = engine, "healthy"
        log.info(
            "Model %s %s loaded on %s (%s, DeepSpeed %s) in %.1f s",
            engine.model_name,
            engine.model_version,
            engine.device,
            engine.precision,
            "on" if engine.deepspeed_enabled else "off",
            seconds,
        )
        if engine.model_notice:
            log.warning("%s: %s", engine.model_name, engine.model_notice)
        self._tell()
        return True

    def _serve(self, job: Job) -> None:
        if job.client_gone():
            self._settle(job, ClientGoneError("gone while queued"))
            return
        if job.overdue:
            self._settle(job, QueueTimeoutError(self._retry_after()))
            return
        queue_seconds = time.monotonic() - job.queued_at
        self._tell()
        try:
            synthesis, seconds = self._synthesize(job)
        except CancelledError:
            self._settle(job, ClientGoneError("gone while running"))
        except Exception as error:
            if poisons_device(error):
                log.exception("The device is broken by this error; the worker will restart")
                self._settle(job, EngineLostError("device error"))
                self._give_up("The device does not answer correctly any more.")
            else:
                self._settle(job, error)
        else:
            self._mean_seconds += 0.2 * (seconds - self._mean_seconds)
            self._settle(job, Outcome(synthesis, queue_seconds, seconds))

    def _synthesize(self, job: Job) -> tuple[Synthesis, float]:
        """Two attempts on the GPU, then one on the CPU, with the memory freed in between."""
        for attempt in (1, 2):
            try:
                return self._attempt(job)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                log.warning("Out of memory on %s (attempt %d)", self._device(), attempt)
                self._count_out_of_memory()
                failure = error
            # Behind the handler: inside it, the error would keep the tensors alive.
            if self._engine is not None:
                self._engine.release_memory()
            release_memory(failure)
        if not self._policy.oom_fallback or not self._device().startswith("cuda"):
            raise failure
        self._fall_back_to_cpu(failure)
        return self._attempt(job)

    def _attempt(self, job: Job) -> tuple[Synthesis, float]:
        engine = self._engine
        if engine is None:
            raise EngineLostError("there is no engine")

        def cancelled() -> bool:
            self._last_step = time.monotonic()
            return job.client_gone()

        def progress(_: Progress) -> None:
            self._last_step = time.monotonic()

        started = self._last_step = time.monotonic()
        try:
            control = Control(cancelled=cancelled, deadline=job.deadline, progress=progress)
            synthesis = engine.synthesize(job.request, control)
        finally:
            self._last_step = None
        return synthesis, time.monotonic() - started

    def _fall_back_to_cpu(self, cause: Exception) -> None:
        log.error("Out of GPU memory twice; this worker goes on with the CPU until it restarts")
        with self._changed:
            self._status, self._engine = "loading", None
        release_memory(cause)
        self._tell()
        if not self._load_engine("cpu"):
            raise EngineLostError("no engine after the fallback")
        with self._changed:
            self._fallback = "The GPU ran out of memory; the CPU is in use."

    def _give_up(self, reason: str) -> None:
        """Show the failure for a while, then end the process, which is started anew."""
        self.abandon(reason)
        exit_later = threading.Timer(
            self._policy.load_failure_seconds, self._exit_process, (EXIT_FAILED,)
        )
        exit_later.daemon = True
        exit_later.start()

    # -- helpers -------------------------------------------------------------------------

    def _device(self) -> str:
        return self._engine.device if self._engine is not None else ""

    def _require_healthy(self) -> None:
        if self._status != "healthy":
            raise NotReadyError(self._status, LOADING_RETRY_SECONDS)

    def _retry_after(self) -> int:
        waiting = len(self._jobs) + 1
        return max(1, min(120, round(self._mean_seconds * waiting / 2)))

    def _leave_queue_if_pointless(self, job: Job) -> None:
        gone = job.client_gone()
        if not gone and not job.overdue:
            return
        with self._changed:
            if job not in self._jobs:
                return  # it runs: the engine thread asks the same questions in every step
            self._jobs.remove(job)
        self._tell()
        if gone:
            raise ClientGoneError("gone while queued")
        raise QueueTimeoutError(self._retry_after())

    def _settle(self, job: Job, result: Outcome | Exception) -> None:
        try:
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        except InvalidStateError:
            # The watchdog answered for us; the late result is of no use to anybody.
            log.warning("A result came after its request was given up")

    def _count_out_of_memory(self) -> None:
        if self._observer is not None:
            self._observer.out_of_memory()

    def _tell(self) -> None:
        if self._observer is None:
            return
        engine = self._engine
        try:
            usage = EngineUsage()
            if engine is not None:
                usage = EngineUsage.of(engine, device_memory(engine.device))
            self._observer.runner_changed(self.status(), usage)
        except Exception:
            # Metrics are no reason to lose a request.
            log.exception("The metrics could not be updated")
