"""Gunicorn's configuration; every value comes from ``INDEXTTS_*`` (docs/configuration.md)."""

import os
import sys
from pathlib import Path
from typing import Any

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    # Gunicorn reads this file before it looks at its own `pythonpath`.
    sys.path.insert(0, HERE)

from app.gunicorn import hooks  # noqa: E402
from app.gunicorn.files import connection_limit  # noqa: E402
from app.settings.fields import SettingsError  # noqa: E402
from app.settings.source import load_for_start  # noqa: E402
from app.web.logs import logging_config  # noqa: E402

try:
    settings = load_for_start(os.environ)
except SettingsError as error:
    raise SystemExit(f"configuration error: {error}") from None

wsgi_app = "wsgi:application"
bind = list(settings.binds)
workers = settings.workers
worker_class = "app.gunicorn.worker.DrainingThreadWorker"
threads = settings.thread_count
worker_connections = connection_limit(settings.thread_count)
timeout = settings.worker_timeout
graceful_timeout = settings.graceful_seconds
keepalive = settings.keepalive_seconds
reload = settings.reload
logconfig_dict = logging_config(settings.log_level, settings.log_format)

# A model loaded before the fork is lost: neither CUDA nor torch's threads survive it.
preload_app = False
# A worker that ends after N requests would load the model again; /health counts too.
max_requests = 0
control_socket_disable = True
# The kernel's sendfile would wait for a silent client for ever.
sendfile = False
# Heartbeats go through a file, which must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def on_starting(server: Any) -> None:
    hooks.announce(server, settings)
    hooks.prepare_metrics(server, settings)
    hooks.count_restarts(server)


def pre_fork(server: Any, worker: Any) -> None:
    hooks.choose_slot(server, worker)
    hooks.prepare_output(worker, settings)


def post_fork(server: Any, worker: Any) -> None:
    hooks.capture_output(server, worker)
    hooks.wait_before_start(worker)
    hooks.bind_gpu(worker, settings)
    # Both bring more than the master may load.
    from app.factory import start_engine
    from wsgi import application

    start_engine(
        application, worker.pause.seconds, worker.pause.reason, ready=hooks.ready_line(worker)
    )


def post_worker_init(worker: Any) -> None:
    hooks.mark_serving(worker)


def pre_request(worker: Any, request: Any) -> None:
    hooks.check_host(request)


def child_exit(server: Any, worker: Any) -> None:
    hooks.forget_worker(server, worker)


def on_exit(server: Any) -> None:
    hooks.remove_metrics()
