from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch.download import fetch
from tests.app.clips.fetch.servers import (
    HURRIED,
    LOCAL,
    Drip,
    Script,
    ScriptServer,
    recorded_connects,
)

CONTENT = bytes(range(256)) * 200


@contextlib.contextmanager
def ftp_server(folder: Path, host: str = "127.0.0.1", lie: str | None = None) -> Iterator[str]:
    """A real server with anonymous access and the login "me" / "a secret"; its host:port."""
    (folder / "clip.wav").write_bytes(CONTENT)
    (folder / "sub").mkdir()
    (folder / "sub" / "ü ?.wav").write_bytes(b"named")

    class Handler(FTPHandler):  # type: ignore[misc]  # no types
        authorizer = DummyAuthorizer()
        masquerade_address = lie
        auth_failed_timeout = 0

    Handler.authorizer.add_anonymous(str(folder))
    Handler.authorizer.add_user("me", "a secret", str(folder / "sub"), perm="elr")
    loop = IOLoop()
    server = FTPServer((host, 0), Handler, ioloop=loop)
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            loop.loop(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    shown = f"[{host}]" if ":" in host else host
    yield f"{shown}:{server.address[1]}"
    done.set()
    thread.join()


def test_anonymous_and_login(tmp_path: Path) -> None:
    with ftp_server(tmp_path) as server:
        assert fetch(f"ftp://{server}/clip.wav", LOCAL) == CONTENT
        assert fetch(f"ftp://{server}//sub/%C3%BC%20%3F.wav", LOCAL) == b"named"
        assert fetch(f"ftp://{server}/sub/ü%20?.wav", LOCAL) == b"named"
        assert fetch(f"ftp://me:a%20secret@{server}/%C3%BC%20%3F.wav", LOCAL) == b"named"


def test_refusals(tmp_path: Path) -> None:
    with ftp_server(tmp_path) as server:
        for path in ("none.wav", "../../etc/passwd", "sub"):
            with pytest.raises(AudioInputError) as caught:
                fetch(f"ftp://{server}/{path}", LOCAL)
            assert caught.value.code is Code.SOURCE_REFUSED
        with pytest.raises(AudioInputError) as caught:
            fetch(f"ftp://{server}/clip.wav", replace(LOCAL, max_bytes=len(CONTENT) - 1))
        assert caught.value.code is Code.TOO_LARGE


def test_wrong_password_does_not_show(tmp_path: Path) -> None:
    with ftp_server(tmp_path) as server, pytest.raises(AudioInputError) as caught:
        fetch(f"ftp://me:hunter2@{server}/a.wav", LOCAL)
    assert caught.value.code is Code.SOURCE_REFUSED
    assert "hunter2" not in caught.value.reason


def test_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with ftp_server(tmp_path, "::1") as server:
        assert fetch(f"ftp://{server}/clip.wav", LOCAL) == CONTENT


def test_address_in_the_passive_reply_is_ignored(tmp_path: Path) -> None:
    with ftp_server(tmp_path, lie="10.9.8.7") as server, recorded_connects() as made:
        assert fetch(f"ftp://{server}/clip.wav", LOCAL) == CONTENT
    assert len(made) == 2
    assert {address for address, _ in made} == {"127.0.0.1"}


def scripted(
    passive: bytes | None = None, data: bytes = b"data", ending: bytes = b"226 done\r\n"
) -> Script:
    """A server that answers as usual, but for what is given."""

    def script(connection: socket.socket, _: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            high, low = divmod(listener.getsockname()[1], 256)
            entered = passive or b"227 Entering (10,9,8,7,%d,%d)\r\n" % (high, low)
            listener.settimeout(5)
            connection.sendall(b"220-hello\r\n220 ready\r\n")
            for line in connection.makefile("rb"):
                command = line.split()[0]
                if command == b"PASV":
                    connection.sendall(entered)
                elif command == b"RETR":
                    connection.sendall(b"150 here\r\n")
                    with listener.accept()[0] as channel:
                        channel.sendall(data)
                    connection.sendall(ending)
                else:
                    reply = {b"USER": b"331 who\r\n", b"PASS": b"230 in\r\n"}
                    connection.sendall(reply.get(command, b"200 fine\r\n"))

    return script


def fetched(script: Script) -> bytes:
    with ScriptServer(script, talks_first=True) as server:
        return fetch(server.url(scheme="ftp"), LOCAL)


def test_scripted_server_is_a_usual_one() -> None:
    assert fetched(scripted()) == b"data"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (scripted(ending=b"426 aborted\r\n"), Code.TRUNCATED),
        (scripted(ending=b"451 broken\r\n"), Code.TRUNCATED),
        (scripted(data=b""), Code.EMPTY),
        (scripted(data=b"x" * 200_000), Code.TOO_LARGE),
        (scripted(passive=b"227 Entering (127,0,0,1,0,22)\r\n"), Code.PROTOCOL_ERROR),
        (scripted(passive=b"227 Entering (127,0,0,1,999,999)\r\n"), Code.PROTOCOL_ERROR),
        (scripted(passive=b"227 Entering\r\n"), Code.PROTOCOL_ERROR),
        (scripted(passive=b"500 no\r\n"), Code.SOURCE_REFUSED),
        (lambda c, _: c.sendall(b"421 busy\r\n"), Code.SOURCE_REFUSED),
        (lambda c, _: c.sendall(b"HTTP/1.1 400 Bad\r\n"), Code.PROTOCOL_ERROR),
        (lambda c, _: c.sendall(b"220-x\r\n" * 20_000 + b"220 y\r\n"), Code.PROTOCOL_ERROR),
        (lambda c, _: c.sendall(b"2" * 20_000), Code.PROTOCOL_ERROR),
        (lambda c, _: None, Code.TRUNCATED),
    ],
)
def test_bad_server(script: Script, code: Code) -> None:
    with pytest.raises(AudioInputError) as caught:
        fetched(script)
    assert caught.value.code is code
    assert "127.0.0.1" not in caught.value.reason


def test_server_that_never_says_that_the_file_is_complete() -> None:
    with (
        ScriptServer(scripted(ending=b""), talks_first=True) as server,
        pytest.raises(DownloadTimeoutError),
    ):
        fetch(server.url(scheme="ftp"), replace(LOCAL, read_seconds=0.2))


def test_dripping_greeting_is_cut_at_the_deadline() -> None:
    drip = Drip(*[b"220-x\r\n"] * 60)
    with ScriptServer(drip, talks_first=True) as server, pytest.raises(DownloadTimeoutError):
        fetch(server.url(scheme="ftp"), HURRIED)
    assert not drip.finished.is_set()


def test_dripping_data_is_cut_at_the_deadline() -> None:
    stopped = threading.Event()

    def script(connection: socket.socket, head: bytes) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        high, low = divmod(listener.getsockname()[1], 256)
        connection.sendall(b"220 a\r\n230 b\r\n200 c\r\n227 (1,2,3,4,%d,%d)\r\n" % (high, low))
        with listener, listener.accept()[0] as channel:
            connection.sendall(b"150 d\r\n")
            try:
                for _step in range(60):
                    channel.sendall(b"x")
                    threading.Event().wait(0.05)
            except OSError:
                stopped.set()

    with (
        ScriptServer(script, talks_first=True) as server,
        pytest.raises(DownloadTimeoutError),
    ):
        fetch(server.url(scheme="ftp"), HURRIED)
    assert stopped.wait(2)
