from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest
from werkzeug.exceptions import RequestTimeout

from app.web.client import ClientSocket, Patience, client_gone, more_sound
from tests.app.conftest import wait_until

PATIENCE = Patience(silent_seconds=10, request_seconds=10)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


@contextmanager
def connected(
    patience: Patience = PATIENCE, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[ClientSocket, socket.socket]]:
    """Our end, with a request that has begun, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname(), timeout=10)
        accepted, _ = listener.accept()
    ours = ClientSocket(accepted, patience, clock)
    ours.begin(interim=True)
    with closing(theirs), closing(ours):
        yield ours, theirs


def test_nobody_to_ask() -> None:
    assert client_gone(None)() is False
    more_sound(None)(1.0)


def test_a_client_that_waits_or_has_sent_its_next_request_is_there() -> None:
    with connected() as (ours, theirs):
        assert client_gone(ours)() is False
        theirs.sendall(b"next request")
        assert ours.gone() is False
        assert ours.recv(100) == b"next request"


@pytest.mark.parametrize("unread", [b"", b"\n", b"x" * 100_000])
def test_a_client_that_has_left_is_gone_whatever_it_sent_before(unread: bytes) -> None:
    with connected() as (ours, theirs):
        theirs.sendall(unread)
        assert ours.gone() is False
        theirs.close()
        wait_until(ours.gone)


def test_a_reset_and_our_own_end() -> None:
    with connected() as (ours, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        wait_until(ours.gone)
        ours.close()
        assert ours.gone() is True


def test_a_client_that_only_sends_no_more_waits_for_its_answer() -> None:
    with connected() as (ours, theirs):
        theirs.shutdown(socket.SHUT_WR)
        assert not any(ours.gone() for _ in range(5))
        ours.sendall(b"answer")
        assert ours.gone() is False
        ours.close()
        received = b""
        while part := theirs.recv(100):
            received += part
        assert received == INTERIM + b"answer"  # asked once


def test_who_sends_no_more_once_the_answer_has_begun_is_gone() -> None:
    with connected() as (ours, theirs):
        ours.sendall(b"first piece")
        theirs.shutdown(socket.SHUT_WR)
        wait_until(ours.gone)
        assert theirs.recv(100) == b"first piece"  # and nothing between the pieces


def test_http_1_0_knows_no_interim_answers() -> None:
    with connected() as (ours, theirs):
        ours.begin(interim=False)
        theirs.shutdown(socket.SHUT_WR)
        wait_until(ours.gone)


def test_the_clients_of_unix_sockets_are_asked_alike() -> None:
    accepted, theirs = socket.socketpair()
    with closing(ClientSocket(accepted, PATIENCE)) as ours, closing(theirs):
        ours.begin(interim=True)
        theirs.shutdown(socket.SHUT_WR)
        assert ours.gone() is False
        theirs.close()
        assert ours.gone() is True


@dataclass
class Clock:
    now: float = 1000.0
    step: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_a_process_that_stands_still_is_not_the_clients_fault() -> None:
    """Another thread may hold the interpreter for seconds between two looks at the clock."""
    with connected(clock=Clock(step=60.0)) as (ours, theirs):
        ours.begin(interim=True, seconds=1.0)
        for piece in (b"head", b"body"):
            ours.sendall(piece)
        assert theirs.recv(100) == b"headbody"


def test_a_body_that_drips_has_a_total_time() -> None:
    clock = Clock()
    with connected(Patience(silent_seconds=30, request_seconds=120), clock) as (ours, theirs):
        for _ in range(10):
            theirs.sendall(b"x")
            assert ours.recv(1) == b"x"
            clock.now += 3.0  # it is never silent for long
        with pytest.raises(RequestTimeout):
            ours.recv(1)
        ours.begin()
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"


def test_a_body_that_comes_fast_enough_may_take_longer_but_not_for_ever() -> None:
    clock = Clock()
    with connected(Patience(silent_seconds=30, request_seconds=120), clock) as (ours, theirs):
        for _ in range(12):
            data = bytes(100_000)  # worth twelve seconds
            theirs.sendall(data)
            while data:
                data = data[len(ours.recv(len(data))) :]
            clock.now += 10.0
        with pytest.raises(RequestTimeout):
            ours.recv(1)


def test_a_silent_client_is_left() -> None:
    with connected(Patience(silent_seconds=0.1, request_seconds=60)) as (ours, theirs):
        with pytest.raises(RequestTimeout):
            ours.recv(1)
        with pytest.raises(BrokenPipeError):
            ours.sendall(bytes(50_000_000))
        assert theirs.fileno() >= 0


def test_an_answer_has_the_time_that_its_sound_takes() -> None:
    ticking = Clock(step=0.5)  # a piece is waited for once, and that takes half a second
    waited_for = threading.Event()

    def clock() -> float:
        """Asked when the client is waited for, and when that is over."""
        (waited_for.clear if waited_for.is_set() else waited_for.set)()
        return ticking()

    def read_while_waited_for(connection: socket.socket) -> None:
        # Read sooner, a piece might find room enough and be waited for never.
        while waited_for.wait(10) and connection.recv(1 << 16):
            pass

    piece = bytes(2_000_000)
    with connected(Patience(silent_seconds=30, request_seconds=5), clock) as (ours, theirs):
        waited_for.clear()
        for end, buffer in ((ours, socket.SO_SNDBUF), (theirs, socket.SO_RCVBUF)):
            end.setsockopt(socket.SOL_SOCKET, buffer, 65536)
        reader = threading.Thread(target=read_while_waited_for, args=(theirs,), daemon=True)
        reader.start()
        for _ in range(10):
            ours.sendall(piece)
        with pytest.raises(BrokenPipeError):
            ours.sendall(piece)
        more_sound(ours)(1.0)
        ours.sendall(piece)
        ours.sendall(piece)
        with pytest.raises(BrokenPipeError):
            ours.sendall(piece)
        ours.shutdown(socket.SHUT_RDWR)
        waited_for.set()
        reader.join(10)
        assert not reader.is_alive()
