from __future__ import annotations

import pytest

from app.gunicorn.files import MOST_CONNECTIONS, connection_limit
from app.gunicorn.lobby import LARGEST_HEAD, Guest, Head
from app.gunicorn.worker import PROBES
from app.routes.table import ROUTES

HEAD = b"POST /tts HTTP/1.1\r\nHost: a\r\n\r\n"


def take_all(data: bytes, size: int) -> Head:
    guest = Guest(None, 0.0, 0.0)
    for start in range(0, len(data), size):
        head = guest.take(data[start : start + size])
        if head is not Head.COMING:
            return head
    return Head.COMING


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_head_is_ready_with_its_empty_line(size: int) -> None:
    assert take_all(HEAD, size) is Head.READY
    assert take_all(HEAD[:-1], size) is Head.COMING
    assert take_all(b"\r\n" + HEAD[:-1], size) is Head.COMING


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\n", b"\n", b"GET / HTTP/1.1\r\nA: b\nC"])
def test_what_the_parser_refuses_at_once_is_not_waited_for(data: bytes, size: int) -> None:
    assert take_all(data, size) is Head.READY


def test_a_head_is_bounded() -> None:
    assert take_all(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * LARGEST_HEAD, 100) is Head.TOO_LARGE


def test_probes_are_routes() -> None:
    assert set(PROBES) < {route.path for route in ROUTES}


@pytest.mark.parametrize(
    ("files", "threads", "limit"),
    [(1024, 16, 832), (65536, 16, MOST_CONNECTIONS), (4096, 512, 928), (64, 16, 17)],
)
def test_fewer_connections_than_files(files: int, threads: int, limit: int) -> None:
    assert connection_limit(threads, files) == limit
