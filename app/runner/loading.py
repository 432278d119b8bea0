"""Load the engine, on the CPU where the GPU's memory does not hold it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.runner.engine import (
    ConfigError,
    Engine,
    IndexTTSError,
    ModelFileError,
    free_memory,
    is_out_of_memory,
    release_memory,
)
from app.runner.status import ModelState

log = logging.getLogger(__name__)

# Builds an engine; the argument overrides the configured device ("cpu").
Load = Callable[[str | None], Engine]


# What a new process would meet again: files, packages and settings, as opposed to a broken device.
_LASTING = (IndexTTSError, OSError, ImportError, ValueError)


@dataclass(frozen=True)
class LoadFailure:
    """Why there is no engine.

    Attributes:
        reason: a sentence for strangers; the log says more.
        lasting: only a change of files or settings helps, no new process.
    """

    reason: str
    lasting: bool

    @classmethod
    def of(cls, error: Exception) -> LoadFailure:
        match error:
            case ModelFileError():
                reason = "A file of the model is missing or damaged; the log names it."
            case ConfigError():
                reason = "The model cannot be loaded with these settings; the log says why."
            case _:
                reason = "The model could not be loaded; the log says why."
        return cls(reason, isinstance(error, _LASTING))


class Loader:
    """Fills a :class:`ModelState`; used by the engine thread alone.

    Args:
        load: builds the engine.
        state: is told the result.
        oom_fallback: whether the CPU may stand in for a GPU without memory.
        count_out_of_memory: called each time that the device runs out of memory.
        changed: called after every change of the state.
    """

    def __init__(
        self,
        load: Load,
        state: ModelState,
        *,
        oom_fallback: bool,
        count_out_of_memory: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._load = load
        self._state = state
        self._oom_fallback = oom_fallback
        self._count_out_of_memory = count_out_of_memory
        self._changed = changed

    def load(self, device: str | None = None) -> LoadFailure | None:
        """Load; None when there is an engine now."""
        started = time.monotonic()
        failure: Exception
        try:
            engine = self._load(device)
        except Exception as error:
            failure = error
        else:
            self._take(engine, time.monotonic() - started)
            return None
        # Behind the handler: inside it, the error would keep the tensors alive.
        if device is None and self._oom_fallback and is_out_of_memory(failure):
            log.error("The model does not fit into the GPU's memory; loading it for the CPU")
            self._count_out_of_memory()
            release_memory(failure)
            self._state.fell_back("The model did not fit into the GPU's memory; the CPU is in use.")
            return self.load("cpu")
        # Our own errors say what to do; for others the trace is needed.
        trace = None if isinstance(failure, IndexTTSError) else failure
        log.error("The model could not be loaded: %s", failure, exc_info=trace)
        return LoadFailure.of(failure)

    def unload(self) -> None:
        """Free the model's memory; the caller must hold no reference to the engine any more."""
        self._state.sleep()
        free_memory()
        self._changed()

    def replace_by_cpu(self, cause: Exception) -> bool:
        """Give the engine up and load it for the CPU; False when that fails.

        The caller must hold no reference to the engine any more.
        """
        log.error("Out of GPU memory twice; this worker goes on with the CPU until it restarts")
        self._state.unloaded()
        release_memory(cause)
        self._changed()
        if self.load("cpu") is not None:
            return False
        self._state.fell_back("The GPU ran out of memory; the CPU is in use.")
        self._changed()
        return True

    def _take(self, engine: Engine, seconds: float) -> None:
        self._state.loaded(engine, seconds)
        self._changed()
        facts = engine.facts
        log.info(
            "Model %s %s loaded on %s (%s, DeepSpeed %s) in %.1f s",
            facts.model_name,
            facts.model_version,
            facts.device,
            facts.precision,
            "on" if facts.deepspeed_enabled else "off",
            seconds,
        )
        if facts.model_notice:
            log.warning("%s: %s", facts.model_name, facts.model_notice)
