"""Gunicorn's hooks.  They run in the master or around the fork: no torch, no model up here.

State between workers lies on the worker objects, which the master keeps: a reload runs the
configuration file anew, and whatever a module holds may be gone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from app.gunicorn.gpu_slots import free_slot, gpu_list, gpu_of_slot
from app.settings import Settings
from app.settings.source import redacted, unknown_variables

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
OWN_METRICS_PREFIX = "indextts-metrics-"


def prepare_metrics(settings: Settings) -> None:
    """Give all workers one folder for their counters, empty at the start."""
    folder = settings.metrics_dir or os.environ.get(METRICS_VARIABLE)
    if not folder:
        folder = tempfile.mkdtemp(prefix=OWN_METRICS_PREFIX)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for old in path.glob("*.db"):
        old.unlink(missing_ok=True)
    os.environ[METRICS_VARIABLE] = str(path)


def remove_metrics() -> None:
    """Take the temporary folder away, at the end of the master."""
    path = Path(os.environ.get(METRICS_VARIABLE, ""))
    if path.name.startswith(OWN_METRICS_PREFIX):
        shutil.rmtree(path, ignore_errors=True)


def announce(server: Any, settings: Settings) -> None:
    """Log the settings, and what is questionable about them."""
    server.log.info("starting", extra={"fields": {"settings": redacted(settings)}})
    for sentence in unknown_variables(os.environ):
        server.log.warning("%s", sentence)
    if settings.is_public and not settings.has_auth:
        server.log.warning(
            "The service listens on %s without API keys: anybody who reaches it can use it",
            ", ".join(settings.binds),
        )
    if settings.engine:
        server.log.warning("INDEXTTS_ENGINE is set: this is not the real engine")


def choose_slot(server: Any, worker: Any) -> None:
    """pre_fork: give the worker a slot that no living worker has."""
    used = [other.gpu_slot for other in server.WORKERS.values()]
    worker.gpu_slot = free_slot(used, server.num_workers)
    if worker.gpu_slot in used:
        server.log.warning("slot %d is shared with a worker that is leaving", worker.gpu_slot)


def bind_gpu(worker: Any, settings: Settings) -> None:
    """post_fork: give the process its GPU; to be called before anything imports torch."""
    gpu = gpu_of_slot(worker.gpu_slot, gpu_list(settings.gpus, os.environ))
    if gpu is not None:
        # Read by CUDA when torch is first imported.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    # By default torch's threads spin while they wait for each other; with anything else on the
    # cores (another worker, a busy neighbour) that costs seconds.  Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    worker.log.info(
        "worker in slot %d, GPU %s", worker.gpu_slot, gpu if gpu is not None else "none"
    )


def forget_worker(server: Any, worker: Any) -> None:
    """child_exit: the gauges of a dead worker must not be counted any more."""
    server.log.info("worker of slot %d ended", worker.gpu_slot)
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
