"""A real Nginx with a rendered configuration, HTTPS and a self-signed certificate."""

from __future__ import annotations

import contextlib
import getpass
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.app.gunicorn_server import wait_for
from tests.deploy.tools import ROOT, free_port, output_of, tool

Edit = Callable[[str], str]


@dataclass(frozen=True)
class Certificate:
    cert: Path
    key: Path


def self_signed(folder: Path) -> Certificate:
    """A certificate for localhost."""
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    command = (
        f"{tool('openssl', 'apt: openssl')} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        " -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    )
    output_of([*command.split(), "-keyout", made.key, "-out", made.cert])
    return made


@dataclass
class Site:
    """A running Nginx."""

    http_port: int
    https_port: int
    certificate: Certificate
    folder: Path
    clip_hex: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def error_log(self) -> str:
        return (self.folder / "startup.log").read_text(encoding="utf-8")

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, verify=str(self.certificate.cert), timeout=60, **more)

    def post(self, path: str, **more: Any) -> requests.Response:
        return requests.post(self.url + path, verify=str(self.certificate.cert), timeout=60, **more)

    def speak(self, text: str, **headers: str) -> requests.Response:
        body = {"text": text, "spk_audio": self.clip_hex}
        return self.post("/tts", json=body, headers=headers)

    def tls(self, **limits: Any) -> ssl.SSLContext:
        """A client's context; `limits` are attributes of it."""
        context = ssl.create_default_context(cafile=str(self.certificate.cert))
        for name, value in limits.items():
            setattr(context, name, value)
        return context

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """A bare TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.https_port), timeout=20)
        try:
            return (context or self.tls()).wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise

    def workers(self) -> list[str]:
        """The titles of Nginx's worker processes."""
        master = self.process.pid
        titles: list[str] = []
        for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split():
            with contextlib.suppress(OSError):  # it has just ended
                titles.append(Path(f"/proc/{pid}/cmdline").read_text())
        return titles

    def access_lines(self) -> list[dict[str, Any]]:
        """The access log."""
        text = (self.folder / "indextts.access.json").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def access_line(self, request_id: str) -> dict[str, Any]:
        """The line of one request; it may come a moment after the answer."""
        found: list[dict[str, Any]] = []

        def written() -> bool:
            found[:] = [x for x in self.access_lines() if x["request_id"] == request_id]
            return bool(found)

        wait_for(written)
        (line,) = found
        return line


def render(*options: object) -> str:
    """What nginx/render.py writes."""
    return output_of([sys.executable, ROOT / "nginx/render.py", *(str(word) for word in options)])


@contextlib.contextmanager
def running_nginx(
    folder: Path,
    instances: Sequence[str],
    certificate: Certificate,
    clip_hex: str,
    *options: object,
    edit: Edit = str,
) -> Iterator[Site]:
    """Render a configuration and run Nginx with it until the block ends.

    Args:
        folder: for the configuration, logs and temporary files; it is made.
        instances: addresses of the instances.
        options: further options of nginx/render.py.
        edit: changes the rendered text.
    """
    nginx = tool("nginx", "apt: nginx-light")
    folder.mkdir(parents=True)
    http_port, https_port = free_port(), free_port()
    text = render(
        *("--instances", *instances, "--server-name", "localhost"),
        *("--cert", certificate.cert, "--key", certificate.key),
        *("--listen-http", f"127.0.0.1:{http_port}", "--listen-https", f"127.0.0.1:{https_port}"),
        *("--log-dir", folder, "--pid", folder / "pid", "--temp-dir", folder / "temp"),
        *("--acme-root", folder / "acme", "--user", getpass.getuser(), *options),
    )
    (folder / "temp").mkdir()
    config = folder / "nginx.conf"
    config.write_text(edit(text), encoding="utf-8")
    log = folder / "startup.log"
    command = [nginx, "-e", str(log), "-p", str(folder), "-c", str(config), "-g", "daemon off;"]
    process = subprocess.Popen(command, cwd=folder, start_new_session=True)
    site = Site(http_port, https_port, certificate, folder, clip_hex, process)
    try:
        wait_for(lambda: _listens(site))
        yield site
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _listens(site: Site) -> bool:
    assert site.process.poll() is None, site.error_log
    with contextlib.suppress(OSError):
        site.connect().close()
        return True
    return False


@dataclass
class Load:
    """A few clients that each send one request after another until told to stop.

    ``problems`` holds what did not get a 200: a status with its text, or the client's error.
    """

    site: Site
    text: str
    clients: int
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return sum(self.statuses.values())

    def __enter__(self) -> Load:
        for index in range(self.clients):
            # Daemons, and bounded by the time limit of each request.
            thread = threading.Thread(target=self._client, args=(index,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop_asking(self) -> None:
        """Send no further requests; those on their way go on."""
        self._stop.set()

    def __exit__(self, *_: object) -> None:
        self.stop_asking()
        for thread in self._threads:
            thread.join(90)

    def wait_for_more(self, count: int, seconds: float = 60.0) -> None:
        """Wait until `count` further answers have come."""
        goal = self.answers + count
        wait_for(lambda: self.answers >= goal, seconds)

    def _client(self, index: int) -> None:
        end = time.monotonic() + 120
        while not self._stop.is_set() and time.monotonic() < end:
            try:
                answer = self.site.speak(f"{self.text} client {index}.")
            except requests.RequestException as error:
                with self._lock:
                    self.problems.append(repr(error))
                    self.statuses[0] += 1
                continue
            with self._lock:
                self.statuses[answer.status_code] += 1
                if answer.status_code != 200:
                    self.problems.append(f"{answer.status_code}: {answer.text[:200]}")
