"""Gunicorn's hooks.  They run in the master or around the fork: no torch, no model up here.

State between workers lies on the worker objects, which the master keeps: a reload runs the
configuration file anew, and whatever a module holds may be gone.
"""

from __future__ import annotations

import ipaddress
import mmap
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.http.errors import InvalidHeader

from app.gunicorn.gpu_slots import free_slot, gpu_list, gpu_of_slot
from app.gunicorn.restarts import Restarts
from app.gunicorn.stray_output import StrayOutput
from app.settings import Settings
from app.settings.source import redacted, unknown_variables
from indextts.utils.cpu_process import tune_process

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
METRICS_ID_VARIABLE = "PROMETHEUS_MULTIPROC_ID"
OWN_METRICS_PREFIX = "indextts-metrics-"


def prepare_metrics(server: Any, settings: Settings) -> None:
    """Give all workers one folder for their counters, empty at the start.

    Without a folder each worker counts for itself, and starts at 0.
    """
    given = os.environ.pop(METRICS_VARIABLE, "")
    folder = settings.metrics_dir or given
    try:
        path = Path(folder or tempfile.mkdtemp(prefix=OWN_METRICS_PREFIX))
        path.mkdir(parents=True, exist_ok=True)
        for old in path.glob("*.db"):
            old.unlink(missing_ok=True)
    except OSError as error:
        server.log.error("There is no folder for the counters, each worker has its own: %s", error)
        return
    os.environ[METRICS_VARIABLE] = str(path)


def count_restarts(server: Any) -> None:
    """on_starting: the master remembers who died."""
    server.restarts = Restarts()


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
            "Listening on %s without API keys: everybody who reaches this machine can use the "
            "service. Set INDEXTTS_API_KEYS, or INDEXTTS_HOST=127.0.0.1 to keep it to yourself",
            ", ".join(settings.binds),
        )
    if settings.engine:
        server.log.warning("INDEXTTS_ENGINE is set: this is not the real engine")


def choose_slot(server: Any, worker: Any) -> None:
    """pre_fork: what the worker has for itself, stable when workers die and are replaced."""
    others = server.WORKERS.values()
    used = [other.gpu_slot for other in others]
    worker.gpu_slot = free_slot(used, server.num_workers)
    if worker.gpu_slot in used:
        server.log.warning("slot %d is shared with a worker that is leaving", worker.gpu_slot)
    # Counters are named by a number that nobody alive has: they go on where a dead worker's ended,
    # and there are never more files than workers at one time.
    counting = {other.counters for other in others}
    worker.counters = min(set(range(len(counting) + 1)) - counting)
    worker.pause = server.restarts.begin(worker.gpu_slot)
    if worker.pause.seconds:
        server.log.error(
            "the worker of slot %d failed %d times in a row; the next one waits for %.0f s",
            worker.gpu_slot,
            worker.pause.failures,
            worker.pause.seconds,
        )
    # One byte that master and worker share, whatever becomes of the worker.
    worker.served = mmap.mmap(-1, 1)


def prepare_output(worker: Any, settings: Settings) -> None:
    """pre_fork: a log in JSON must hold nothing else."""
    worker.output = StrayOutput() if settings.log_format == "json" else None


def capture_output(server: Any, worker: Any) -> None:
    """post_fork: what libraries write becomes lines of the log."""
    if worker.output is None:
        return
    for other in server.WORKERS.values():
        if other.output is not None:
            other.output.close()
    worker.output.capture()


def wait_before_start(worker: Any) -> None:
    """post_fork: keep a worker back that would die at its start, as others did before."""
    if worker.pause.serving or not worker.pause.seconds:
        return
    # Until Gunicorn sets the worker's own handlers, those of the master only take signals in.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
        signal.signal(number, signal.SIG_DFL)
    end = time.monotonic() + worker.pause.seconds
    while time.monotonic() < end and os.getppid() == worker.ppid:
        worker.notify()
        time.sleep(0.1)


def ready_line(worker: Any) -> Callable[[], None]:
    """post_fork: what says, once the first worker can speak, where to go."""
    names = [listener.getsockname() for listener in worker.sockets]
    address = next((url_of(name) for name in names if isinstance(name, tuple)), f"unix:{names[0]}")

    def say() -> None:
        if worker.gpu_slot == 0:
            worker.log.info("Ready: %s", address)

    return say


def url_of(name: tuple[Any, ...]) -> str:
    """An address to open on this machine, for what a listening TCP socket is called."""
    host = ipaddress.ip_address(name[0].partition("%")[0])
    if host.is_unspecified:  # listening everywhere is no address to go to
        host = ipaddress.ip_address("127.0.0.1" if host.version == 4 else "::1")
    shown = f"[{host}]" if host.version == 6 else str(host)
    return f"http://{shown}:{name[1]}"


def mark_serving(worker: Any) -> None:
    """post_worker_init: from now on requests are answered."""
    worker.served[0] = 1


def bind_gpu(worker: Any, settings: Settings) -> None:
    """post_fork: give the process its GPU; to be called before anything imports torch."""
    gpu = gpu_of_slot(worker.gpu_slot, gpu_list(settings.gpus, os.environ))
    if gpu is not None:
        # Read by CUDA when torch is first imported.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    tune_process(os.environ)
    os.environ[METRICS_ID_VARIABLE] = str(worker.counters)
    worker.log.info(
        "worker in slot %d, GPU %s", worker.gpu_slot, gpu if gpu is not None else "none"
    )


def check_host(request: Any) -> None:
    """pre_request, instead of Gunicorn's own, which logs paths as they came.

    Raises:
        InvalidHeader: HTTP/1.1 without Host (RFC 9112 section 3.2); the answer is a 400.
    """
    if request.version >= (1, 1) and not any(name == "HOST" for name, _ in request.headers):
        raise InvalidHeader("HOST")


def forget_worker(server: Any, worker: Any) -> None:
    """child_exit: count the death, and forget the gauges, which were the worker's own."""
    if worker.output is not None:
        worker.output.last_words()
    server.log.info("worker of slot %d ended", worker.gpu_slot)
    # Where there are enough without it, it had been told to end.  Reloading is no failure either.
    if len(server.WORKERS) < server.num_workers and not server.cfg.reload:
        server.restarts.died(worker.gpu_slot, served=bool(worker.served[0]))
    worker.served.close()
    if METRICS_VARIABLE in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.counters)  # type: ignore[no-untyped-call]
