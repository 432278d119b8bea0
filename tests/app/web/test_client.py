from __future__ import annotations

import socket
import struct

from app.web.client import client_gone
from tests.app.conftest import wait_until


def test_nobody_to_ask() -> None:
    assert client_gone(None)() is False


def test_an_open_connection_and_its_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        gone = client_gone(ours)
        assert gone() is False
        theirs.sendall(b"next request")
        assert gone() is False
        assert ours.recv(100) == b"next request"
        theirs.close()
        assert gone() is True


def test_a_reset_and_a_closed_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    gone = client_gone(ours)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    wait_until(gone)
    ours.close()
    assert gone() is True
