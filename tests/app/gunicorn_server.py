"""A real server for a test: ``server.py`` with the stand-in engine, in its own process group."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = "tests.app.stand_in_engine:make"
BOOT_SECONDS = 30.0


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    log_path: Path
    journal: Path
    clip_hex: str
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def events(self, kind: str) -> list[str]:
        """The journal's lines of a kind: "start", "done", or the name of an error."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.split()[2] == kind]

    def health(self) -> requests.Response:
        return requests.get(f"{self.url}/health", timeout=10)

    def speak(self, text: str, timeout: float = 60.0) -> requests.Response:
        body = {"text": text, "spk_audio": self.clip_hex}
        return requests.post(f"{self.url}/tts", json=body, timeout=timeout)

    def speak_later(self, text: str) -> Pending:
        """Send a request from a thread."""
        pending = Pending()

        def send() -> None:
            try:
                pending.response = self.speak(text)
            except requests.RequestException as error:
                pending.error = error
            pending.ended = time.monotonic()

        pending.thread = threading.Thread(target=send, daemon=True)
        pending.thread.start()
        return pending

    def worker_pids(self) -> list[int]:
        """The children of the master."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@dataclass
class Pending:
    """A request on its way."""

    response: requests.Response | None = None
    error: Exception | None = None
    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    thread: threading.Thread | None = None

    def result(self, seconds: float = 60.0) -> requests.Response:
        assert self.thread is not None
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "no answer in time"
        assert self.response is not None, f"the request failed: {self.error!r}"
        return self.response


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for something to come true; connection errors count as "not yet"."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if condition():
                return
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextlib.contextmanager
def running_server(
    folder: Path,
    clip_hex: str,
    *,
    ready: bool = True,
    prefix: tuple[str, ...] = (),
    **settings: object,
) -> Iterator[Server]:
    """Start a server on a free port; it is gone when the block ends.

    Args:
        folder: for its log and journal.
        clip_hex: the clip that requests carry.
        ready: wait until the model is loaded, not only until it listens.
        prefix: a command that runs the server.
        settings: INDEXTTS_* by lower-case name.
    """
    journal = folder / "journal"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("INDEXTTS_", "PROMETHEUS"))}
    environ |= {
        "INDEXTTS_ENGINE": STAND_IN,
        "INDEXTTS_TEST_JOURNAL": str(journal),
        "INDEXTTS_VOICES_DIR": str(ROOT / "examples" / "voices"),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder),
    }
    environ |= {f"INDEXTTS_{name.upper()}": str(value) for name, value in settings.items()}
    arguments = [str(ROOT / "server.py"), "--host", "127.0.0.1", "--port", "0"]
    log_path = folder / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*prefix, sys.executable, *arguments],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, log_path, journal, clip_hex)
    try:
        _find_port(server)
        if ready:
            wait_for(lambda: server.health().status_code == 200, BOOT_SECONDS)
        yield server
    finally:
        _stop(process)


def _find_port(server: Server) -> None:
    end = time.monotonic() + BOOT_SECONDS
    while True:
        found = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", server.log)
        if found:
            server.port = int(found.group(1))
            return
        assert server.process.poll() is None, server.log
        assert time.monotonic() < end, server.log
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the master and, should any be left, its workers: they are in its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)
