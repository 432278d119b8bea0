from __future__ import annotations

import socket
import threading
import time

import pytest

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch.addresses import parse_address
from app.clips.fetch.resolve import Resolver, system_lookup


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def test_addresses_are_not_looked_up() -> None:
    def lookup(host: str) -> list[str]:
        raise AssertionError("looked up")

    resolver = Resolver(lookup=lookup)
    assert resolver.addresses("8.8.8.8", soon()) == (parse_address("8.8.8.8"),)
    assert resolver.addresses("2606::1", soon()) == (parse_address("2606::1"),)


def test_answers_keep_their_order_and_appear_once() -> None:
    resolver = Resolver(lookup=lambda host: ["2606::1", "8.8.8.8", "2606::1", "fe80::1%eth0"])
    expected = tuple(map(parse_address, ["2606::1", "8.8.8.8", "fe80::1"]))
    assert resolver.addresses("a.example", soon()) == expected


def test_hanging_look_ups_are_bounded_in_time_and_number() -> None:
    release = threading.Event()
    started: list[str] = []

    def lookup(host: str) -> list[str]:
        started.append(host)
        release.wait(5)
        return ["8.8.8.8"]

    resolver = Resolver(max_lookups=2, lookup=lookup)
    for name in ("a", "b", "c", "d"):
        with pytest.raises(DownloadTimeoutError):
            resolver.addresses(name, soon(0.05))
    assert started == ["a", "b"]
    release.set()
    assert resolver.addresses("e", soon()) == (parse_address("8.8.8.8"),)


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_NONAME, "x"), OSError("x"), UnicodeError("x")]
)
def test_failed_look_up(error: Exception) -> None:
    def lookup(host: str) -> list[str]:
        raise error

    with pytest.raises(AudioInputError) as caught:
        Resolver(lookup=lookup).addresses("a.example", soon())
    assert caught.value.code is Code.UNRESOLVABLE


def test_system_lookup() -> None:
    assert system_lookup("127.0.0.1") == ["127.0.0.1"]
