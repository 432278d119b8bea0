"""Gives the model's memory back while nobody needs it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from app.runner.admission import Admission
from app.runner.loading import Loader
from app.runner.status import ModelState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IdlePolicy:
    """When the model is unloaded; see the settings ``idle_unload_seconds`` and ``idle_reload``.

    Attributes:
        seconds: without work; None: never.
        refuses: requests are refused while the model is loaded again; otherwise they wait.
    """

    seconds: float | None = None
    refuses: bool = False


class IdleUnloading:
    """Waits for work in the engine thread, which holds no reference to the engine meanwhile.

    A job is only taken once this has returned, so none ever meets a model that is going or coming.

    Args:
        policy: when to unload.
        admission: where work comes from.
        state: holds the engine.
        loader: unloads.
        load: loads, however long it takes; where it gives up, it closes the queue.
    """

    def __init__(
        self,
        policy: IdlePolicy,
        admission: Admission,
        state: ModelState,
        loader: Loader,
        load: Callable[[], object],
    ) -> None:
        self._policy = policy
        self._admission = admission
        self._state = state
        self._loader = loader
        self._load = load

    def wait_for_work(self) -> None:
        """Return once a job waits and there is a model for it, or the queue is closed."""
        while not self._admission.has_work():
            # True also when somebody asked for a seat: the job follows once its clips are there.
            if not self._admission.wait(self._policy.seconds):
                self._sleep()

    def _sleep(self) -> None:
        log.info("No work for %.0f s: the model is unloaded", self._policy.seconds)
        self._loader.unload()
        self._admission.wait(None)
        if self._admission.closed:
            return
        log.info("There is work again: the model is loaded")
        self._state.wake()
        self._load()
