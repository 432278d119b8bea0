"""The engine thread of a worker, and what request threads and the watchdog may ask of it.

The thread loads the model (``loading``), then serves a bounded queue (``admission``, ``loop``).
A request thread takes a seat, submits a job and reads its events.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from app.runner.admission import Admission
from app.runner.channel import Completed, Failed, JobEvent
from app.runner.clock import Clock
from app.runner.engine import SynthesisRequest
from app.runner.errors import (
    ClientGoneError,
    EngineLostError,
    NotReadyError,
    QueueTimeoutError,
)
from app.runner.idle import IdlePolicy, IdleUnloading
from app.runner.job import Job, Seat
from app.runner.loading import Load, Loader
from app.runner.loop import ServingLoop
from app.runner.status import (
    LOADING_RETRY_SECONDS,
    ModelState,
    RunnerObserver,
    RunnerStatus,
)

log = logging.getLogger(__name__)

EXIT_FAILED = 70  # EX_SOFTWARE; not 3 or 4, on which the Gunicorn master gives up.
POLL_SECONDS = 0.25
LONGEST_RELOAD_SECONDS = 300.0


@dataclass(frozen=True)
class RunnerPolicy:
    """Limits of the runner; see the settings of the same names."""

    queue_size: int
    queue_seconds: float
    oom_fallback: bool
    load_failure_seconds: float
    idle: IdlePolicy = field(default_factory=IdlePolicy)


class InferenceRunner:
    """One engine, one thread, one bounded queue.

    It holds no state of its own but the thread: the queue is :class:`Admission`'s, the engine and
    its status are :class:`ModelState`'s, and both guard themselves.

    Args:
        load: builds the engine; its argument overrides the configured device (``"cpu"``).
        policy: limits.
        exit_process: ends the worker process after a failure that only a restart can heal.
        observer: is told about every change.
        clock: by which the model is idle.
    """

    def __init__(
        self,
        load: Load,
        policy: RunnerPolicy,
        exit_process: Callable[[int], None],
        observer: RunnerObserver | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._policy = policy
        self._exit_process = exit_process
        self._observer = observer
        self._telling = threading.Lock()
        self._state = ModelState(refuses_waking=policy.idle.refuses)
        self._admission = Admission(
            policy.queue_size, policy.queue_seconds, clock, lambda: self._state.room
        )
        self._loader = Loader(
            load,
            self._state,
            oom_fallback=policy.oom_fallback,
            count_out_of_memory=self._count_out_of_memory,
            changed=self._tell,
        )
        idle = IdleUnloading(policy.idle, self._admission, self._state, self._loader, self._load)
        self._loop = ServingLoop(
            self._admission,
            self._state,
            self._loader,
            idle.wait_for_work,
            oom_fallback=policy.oom_fallback,
            count_out_of_memory=self._count_out_of_memory,
            give_up=self._give_up,
            changed=self._tell,
        )
        self._started_at = time.monotonic()
        self._start_once = threading.Lock()

    def start(
        self,
        wait_seconds: float = 0.0,
        wait_reason: str = "",
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Start loading in the background; further calls do nothing.

        Args:
            wait_seconds: time before the load, when it has cost workers their lives.
            wait_reason: what /health says meanwhile.
            ready: is called once the model is loaded.
        """
        # Never released: the lock stands for "somebody has started it".
        if self._start_once.acquire(blocking=False):
            if wait_seconds:
                self._state.fail(wait_reason)
            self._tell()
            main = threading.Thread(
                target=self._main, args=(wait_seconds, ready), name="engine", daemon=True
            )
            main.start()

    # -- for request threads -------------------------------------------------------------

    def require_seat(self, work: float, deadline: float) -> None:
        """Raises what :meth:`take_seat` would raise now, and takes nothing.

        A model that was unloaded is loaded from now on, while the caller's clips are fetched.
        """
        self._admission.call()
        self._state.require_healthy()
        self._admission.require_seat(work, deadline)

    def take_seat(self, work: float, deadline: float) -> Seat:
        """Take a place, from when the clips are there to the end of the engine's work.

        Args:
            work: of the request (:func:`app.runner.work.work_of`).
            deadline: value of ``time.monotonic()`` at which the work is given up.

        Raises:
            NotReadyError: no model is loaded.
            QueueFullError: every seat is taken, or the wait would be too long.
        """
        self._state.require_healthy()
        return self._admission.take_seat(work, deadline)

    def events(
        self,
        request: SynthesisRequest,
        *,
        deadline: float,
        client_gone: Callable[[], bool],
        request_id: str = "",
        seat: Seat | None = None,
    ) -> Generator[JobEvent, None, None]:
        """Queue a request; its events as they come, the last one Completed or Failed.

        Closing the generator cancels the work: within one step where it runs, at once where it
        waits.

        Args:
            request: what to speak.
            deadline: value of ``time.monotonic()`` at which the work is given up.
            client_gone: whether the caller has hung up.
            request_id: for the log.
            seat: of the caller; left as soon as the engine is done.
        """
        job = Job(request, deadline, client_gone, request_id, seat)
        try:
            self._submit(job)
            while True:
                event = job.events.next(POLL_SECONDS) or self._pointless(job)
                if event is None:
                    continue
                yield event
                if isinstance(event, Completed | Failed):
                    return
        finally:
            job.events.close()
            if self._admission.withdraw(job):
                self._tell()

    def reachable_seconds(self, deadline: float) -> float:
        """About how much sound can be made until `deadline`, as fast as the engine was of late."""
        return max(0.0, deadline - time.monotonic()) * self._admission.throughput()

    def status(self) -> RunnerStatus:
        """What /health shows."""
        counts = self._admission.counts()
        model = self._state.snapshot()
        return RunnerStatus(
            status=model.status,
            model_loaded=model.loaded,
            idle_unloaded=model.idle,
            reason=model.reason,
            fallback=model.fallback,
            queue_length=counts.waiting,
            queue_capacity=counts.capacity,
            expected_wait=round(counts.wait_seconds + (model.load_seconds if model.idle else 0), 3),
            jobs_running=counts.running,
            uptime=round(time.monotonic() - self._started_at, 3),
            facts=model.facts,
        )

    # -- for the watchdog ----------------------------------------------------------------

    def silent_seconds(self) -> float:
        """How long the running work has not made a step; 0 when nothing runs."""
        steps = [job.last_step for job in self._admission.running()]
        known = [step for step in steps if step is not None]
        return time.monotonic() - max(known) if known else 0.0

    def set_stuck(self, stuck: bool) -> None:
        """Mark the running work as hung, or as going on again."""
        if self._state.set_stuck(stuck):
            self._tell()

    def abandon(self, reason: str) -> None:
        """Answer everybody who waits with an error; the process is about to end."""
        self._state.fail(reason)
        waiting, running = self._admission.close()
        for job in waiting:
            job.events.put(Failed(NotReadyError("failed", LOADING_RETRY_SECONDS)))
        for job in running:
            job.events.put(Failed(EngineLostError(reason)))
        self._tell()

    # -- inside --------------------------------------------------------------------------

    def _main(self, wait_seconds: float, ready: Callable[[], None]) -> None:
        if wait_seconds:
            time.sleep(wait_seconds)
            self._state.unloaded()
            self._tell()
        if self._load():
            ready()
            self._loop.run()

    def _load(self) -> bool:
        """Load, however long it takes; False when only another process can."""
        pause = self._policy.load_failure_seconds
        while (failure := self._loader.load()) is not None:
            if not failure.lasting:
                self._give_up(failure.reason)
                return False
            # A new process would fail as well; this one stays, says so, and looks again.
            self._state.fail(failure.reason)
            for job in self._admission.clear():
                job.events.put(Failed(NotReadyError("failed", LOADING_RETRY_SECONDS)))
            self._tell()
            pause = min(LONGEST_RELOAD_SECONDS, max(pause, 0.01))
            log.info("The model is looked for again in %.0f s", pause)
            time.sleep(pause)
            pause *= 2
        return True

    def _submit(self, job: Job) -> None:
        self._state.require_healthy()
        # Asked again: nobody looks at a job that came when the queue had just been cleared.
        if not self._admission.add(job) or self._state.failed:
            raise NotReadyError("failed", LOADING_RETRY_SECONDS)
        self._tell()

    def _pointless(self, job: Job) -> JobEvent | None:
        """The end of a job that nobody needs to wait for any longer, if it still waits."""
        gone = job.client_gone()
        if not gone and not job.overdue:
            return None
        if not self._admission.withdraw(job):
            return None  # it runs: the engine thread asks the same questions in every step
        self._tell()
        if gone:
            return Failed(ClientGoneError("gone while queued"))
        if self._state.snapshot().idle:
            return Failed(NotReadyError("loading", LOADING_RETRY_SECONDS))
        return Failed(QueueTimeoutError(self._admission.retry_after()))

    def _give_up(self, reason: str) -> None:
        """Show the failure for a while, then end the process, which is started anew."""
        self.abandon(reason)
        exit_later = threading.Timer(
            self._policy.load_failure_seconds, self._exit_process, (EXIT_FAILED,)
        )
        exit_later.daemon = True
        exit_later.start()

    def _count_out_of_memory(self) -> None:
        if self._observer is not None:
            self._observer.out_of_memory()

    def _tell(self) -> None:
        if self._observer is None:
            return
        try:
            # One at a time: what is told last is how things are.
            with self._telling:
                self._observer.runner_changed(self.status(), self._state.usage())
        except Exception:
            # Metrics are no reason to lose a request.
            log.exception("The metrics could not be updated")
