"""A Gunicorn instance behind Nginx, as systemd would run it, to be killed and started again."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.app.gunicorn_server import STAND_IN, wait_for
from tests.deploy.tools import ROOT

START_SECONDS = 60.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass
class Instance:
    """A Gunicorn with the stand-in engine at an address that outlives the process.

    Attributes:
        address: as Nginx and Gunicorn write it: ``unix:/path`` or ``host:port``.
        folder: for its log, journal and temporary files.
        settings: INDEXTTS_* by lower-case name, used by the next start.
        launcher: words before the command.
    """

    address: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    launcher: tuple[str, ...] = ()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def events(self, kind: str) -> list[str]:
        """The journal's lines of a kind: "start", "done", or the name of an error."""
        journal = self.folder / "journal"
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        return [line for line in lines if line.split()[2] == kind]

    def start(self, ready: bool = True, **settings: object) -> None:
        """Start it; `settings` are for this start only."""
        merged = self.settings | {name: str(value) for name, value in settings.items()}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.launcher, sys.executable, str(ROOT / "server.py")],
                cwd=self.folder,
                env=self._environment(merged),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if ready:
            self.wait_ready()

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("INDEXTTS_")}
        environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        environ |= {
            "INDEXTTS_BIND": self.address,
            "INDEXTTS_ENGINE": STAND_IN,
            "INDEXTTS_TEST_JOURNAL": str(self.folder / "journal"),
            "INDEXTTS_VOICES_DIR": str(ROOT / "examples" / "voices"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.folder),
        }
        return environ | {f"INDEXTTS_{name.upper()}": value for name, value in settings.items()}

    def get(self, path: str) -> tuple[int, Any]:
        """Ask the instance itself, past Nginx, for JSON."""
        status, text = self.read(path)
        return status, json.loads(text)

    def read(self, path: str) -> tuple[int, str]:
        """Ask the instance itself, past Nginx."""
        connection: http.client.HTTPConnection
        if self.address.startswith("unix:"):
            connection = UnixConnection(Path(self.address.removeprefix("unix:")), timeout=10)
        else:
            connection = http.client.HTTPConnection(self.address, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metric(self, name: str) -> float:
        """A metric, with its labels if it has any; 0 where it was never counted."""
        _, text = self.read("/metrics")
        found = re.findall(rf"^{re.escape(name)} (\S+)$", text, flags=re.M)
        return float(found[0]) if found else 0.0

    def status(self) -> str:
        """``healthy``, ``loading``, ...; ``away`` when nobody answers."""
        try:
            return str(self.get("/health")[1]["status"])
        except (OSError, http.client.HTTPException):
            return "away"

    def wait_ready(self) -> None:
        """Wait until the model is loaded."""

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return self.status() == "healthy"

        wait_for(ready, START_SECONDS)

    def children(self) -> list[int]:
        """Numbers of the master's children: workers, and what a launcher left."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def worker(self) -> int:
        """Number of the worker, the only one."""
        found = re.findall(r"\[(\d+)\] gunicorn\.error: worker in slot", self.log)
        return int(found[-1])

    def kill(self) -> None:
        """SIGKILL to the master and its workers, as the kernel does when memory is short."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def terminate(self, seconds: float = 60.0) -> int:
        """SIGTERM, as ``systemctl stop`` does; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def stop(self) -> None:
        """The end, whatever state it is in."""
        if self.process is not None:
            self.kill()


@contextlib.contextmanager
def running_instance(address: str, folder: Path, **settings: object) -> Iterator[Instance]:
    """An instance that is gone when the block ends; it is not started yet."""
    folder.mkdir(parents=True, exist_ok=True)
    instance = Instance(address, folder, {name: str(value) for name, value in settings.items()})
    try:
        yield instance
    finally:
        instance.stop()
