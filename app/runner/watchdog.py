"""Ends a worker whose inference hangs: Gunicorn's own timeout watches another thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from app.runner.runner import EXIT_FAILED, InferenceRunner

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0


class Watchdog:
    """Watches the steps of the running inference.

    Args:
        runner: whose steps are watched.
        stuck_seconds: without a step for this long, /health says ``stuck``.
        exit_seconds: this much later the process ends.
        exit_process: how it ends.
    """

    def __init__(
        self,
        runner: InferenceRunner,
        stuck_seconds: float,
        exit_seconds: float,
        exit_process: Callable[[int], None],
    ) -> None:
        self._runner = runner
        self._stuck_seconds = stuck_seconds
        self._exit_seconds = exit_seconds
        self._exit_process = exit_process
        self._interval = min(1.0, stuck_seconds / 4, exit_seconds / 4)

    def start(self) -> None:
        """Watch from a daemon thread until the process ends."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        stuck = False
        while True:
            time.sleep(self._interval)
            silent = self._runner.silent_seconds()
            if (silent >= self._stuck_seconds) != stuck:
                stuck = not stuck
                self._runner.set_stuck(stuck)
                if stuck:
                    log.error("The inference made no step for %.0f s: stuck", silent)
                else:
                    log.warning("The inference goes on again")
            if silent >= self._stuck_seconds + self._exit_seconds:
                log.critical("The inference is stuck for good; the worker ends and is restarted")
                self._runner.abandon("The inference hung.")
                time.sleep(ANSWER_SECONDS)  # the waiting clients get their answers
                self._exit_process(EXIT_FAILED)
                return
