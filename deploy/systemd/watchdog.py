#!/usr/bin/env python3
"""Start a command, and tell systemd's watchdog about it as long as ``/health/live`` answers.

    watchdog.py COMMAND [ARGUMENT ...]

The command takes the place of this process, so that its number and its signals are those that
systemd knows; a child stays behind and asks.  Gunicorn and the service have watchdogs of their
own, for a worker that is silent and an inference that hangs.  This one sees the rest: a master
that does nothing, threads that are all blocked.

Needs nothing but Python's own library.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence

PATH = "/health/live"
MOST_ANSWER_SECONDS = 10.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def address_of(environ: Mapping[str, str]) -> str:
    """The first address that the service listens on, as Gunicorn writes it."""
    first = environ.get("INDEXTTS_BIND", "").split(",")[0].strip()
    host = environ.get("INDEXTTS_HOST") or "127.0.0.1"
    return first or f"{host}:{environ.get('INDEXTTS_PORT') or 8000}"


def answers(address: str, timeout: float) -> bool:
    """Whether the service at `address` says that it is alive, within `timeout` seconds."""
    connection: http.client.HTTPConnection
    if address.startswith("unix:"):
        connection = UnixConnection(address.removeprefix("unix:"), timeout)
    else:
        connection = http.client.HTTPConnection(address, timeout=timeout)
    with contextlib.closing(connection):
        try:
            connection.request("GET", PATH)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def notify(target: str, message: str) -> None:
    """Send systemd a message; see sd_notify(3).

    Args:
        target: path of the socket; ``@`` at its start means the abstract namespace.
        message: e.g. ``WATCHDOG=1``.
    """
    address = "\0" + target[1:] if target.startswith("@") else target
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(message.encode(), address)


def watch(address: str, target: str, interval: float, parent: int) -> None:
    """Ask and tell until the parent is another one: the service has ended."""
    well = True
    while os.getppid() == parent:
        alive = answers(address, min(interval, MOST_ANSWER_SECONDS))
        if alive:
            notify(target, "WATCHDOG=1")
        if alive != well:
            state = "answers" if alive else "does not answer"
            sys.stderr.write(f"watchdog: {address} {state}\n")
            well = alive
        time.sleep(interval)


def main(arguments: Sequence[str]) -> int:
    """The command."""
    if not arguments:
        sys.stderr.write("usage: watchdog.py COMMAND [ARGUMENT ...]\n")
        return 2
    target = os.environ.get("NOTIFY_SOCKET", "")
    microseconds = int(os.environ.get("WATCHDOG_USEC") or 0)
    if target and microseconds:
        parent = os.getpid()
        if os.fork() == 0:
            # Four tries in the time that systemd waits.
            watch(address_of(os.environ), target, microseconds / 4e6, parent)
            # Not to be taken for a worker by what the parent has become: no exit handlers.
            os._exit(0)
    os.execvp(arguments[0], list(arguments))  # noqa: S606 - no shell


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
