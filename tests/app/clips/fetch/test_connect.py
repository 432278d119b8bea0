from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace

import pytest

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch.addresses import parse_address
from app.clips.fetch.connect import Connections
from app.clips.fetch.policy import FetchPolicy
from tests.app.clips.fetch.servers import LOCAL, ScriptServer, recorded_connects


def test_address_is_checked_where_the_socket_is_opened() -> None:
    """Also for callers that come with an address of their own, like the ftp data connection."""
    with recorded_connects(really=False) as made:
        with Connections(FetchPolicy(), time.monotonic() + 5) as connections:
            for text in ("127.0.0.1", "::ffff:10.0.0.1", "fd00:ec2::254", "169.254.169.254"):
                with pytest.raises(AudioInputError) as caught:
                    connections.connect(parse_address(text), 80, 1.0)
                assert caught.value.code is Code.BLOCKED_ADDRESS
        assert made == []


def test_watchdog_wakes_a_thread_that_waits() -> None:
    ended_by_client = threading.Event()

    def script(connection: socket.socket, _: bytes) -> None:
        if connection.recv(1) == b"":  # the time limit of the server raises instead
            ended_by_client.set()

    with (
        ScriptServer(script, talks_first=True) as server,
        Connections(LOCAL, time.monotonic() + 1.5) as connections,
        connections.connect(parse_address("127.0.0.1"), server.port, 5.0) as connection,
    ):
        connection.settimeout(None)
        assert connection.recv(1) == b""
        assert ended_by_client.wait(1)
        assert connections.expired
        with pytest.raises(DownloadTimeoutError):
            connections.left()
        with pytest.raises(DownloadTimeoutError):
            connections.connect(parse_address("127.0.0.1"), server.port, 5.0)


def test_watchdog_ends_with_the_fetch() -> None:
    before = set(threading.enumerate())
    with Connections(LOCAL, time.monotonic() + 60):
        # Threads of earlier tests may still be ending; ours is new.
        (watchdog,) = set(threading.enumerate()) - before
        assert isinstance(watchdog, threading.Timer)
    watchdog.join(5)
    assert not watchdog.is_alive()


@pytest.mark.parametrize(
    "change",
    [
        {"total_seconds": 0.0},
        {"connect_seconds": -1.0},
        {"read_seconds": 0.0},
        {"max_bytes": 0},
        {"max_redirects": -1},
    ],
)
def test_impossible_policy(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        replace(LOCAL, **change)  # type: ignore[arg-type]
