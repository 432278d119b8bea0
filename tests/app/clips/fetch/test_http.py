from __future__ import annotations

import gzip
import http.server
import ipaddress
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch.download import fetch
from tests.app.clips.fetch.servers import (
    HURRIED,
    LOCAL,
    Drip,
    Lookups,
    Script,
    ScriptServer,
    answer,
    raw,
    recorded_connects,
    silent,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def code_of(script: Script) -> Code:
    with ScriptServer(script) as server, pytest.raises(AudioInputError) as caught:
        fetch(server.url(), LOCAL)
    assert "127.0.0.1" not in caught.value.reason
    return caught.value.code


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[str]:
    """A real web server over tmp_path; its base URL."""
    (tmp_path / "clip.wav").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "ä b.wav").write_bytes(b"named")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing on stderr."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_real_server(file_server: str) -> None:
    assert fetch(f"{file_server}/clip.wav", LOCAL) == bytes(range(256)) * 100
    assert fetch(f"{file_server}/clip.wav?token=a/b#part", LOCAL) == bytes(range(256)) * 100
    assert fetch(f"{file_server}/ä%20b.wav", LOCAL) == b"named"
    with pytest.raises(AudioInputError, match="answered 404"):
        fetch(f"{file_server}/none.wav", LOCAL)


def test_environment_is_not_read(
    file_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptServer(answer()) as proxy, ScriptServer(answer()) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url("/"))
        assert fetch(server.url(), LOCAL) == b"body"
    assert proxy.requests == []
    assert b"Authorization" not in server.requests[0]
    assert b"Accept-Encoding: identity\r\n" in server.requests[0]
    assert b"Host: 127.0.0.1:%d\r\n" % server.port in server.requests[0]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answer(b""), Code.EMPTY),
        (answer(b"x", "204 No Content"), Code.SOURCE_REFUSED),
        (answer(b"x", "206 Partial Content"), Code.SOURCE_REFUSED),
        (answer(b"x", "304 Not Modified"), Code.SOURCE_REFUSED),
        (answer(b"x", "401 Unauthorized"), Code.SOURCE_REFUSED),
        (answer(b"x", "500 Oops"), Code.SOURCE_REFUSED),
        (answer(b"x", "302 Found"), Code.BAD_REDIRECT),
        (answer(b"x" * 100_001), Code.TOO_LARGE),
        (answer(b"x", length=10**12), Code.TOO_LARGE),
        (answer(b"x" * 10, length=11), Code.TRUNCATED),
        (answer(gzip.compress(bytes(10**6)), "200 OK", "Content-Encoding: gzip"), "encoded_body"),
        (answer(b"x", "200 OK", "Content-Encoding: br"), Code.ENCODED_BODY),
        (
            raw(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
            Code.PROTOCOL_ERROR,
        ),
        (raw(HEAD + b"\r\n", *[b"x" * 10_000] * 100), Code.TOO_LARGE),
        (raw(CHUNKED, *[b"2710\r\n" + b"x" * 10_000 + b"\r\n"] * 100), Code.TOO_LARGE),
        (raw(HEAD + b"Content-Length: -1\r\n\r\nbody"), Code.PROTOCOL_ERROR),
        (raw(HEAD + b"Content-Length: +4\r\n\r\nbody"), Code.PROTOCOL_ERROR),
        (raw(HEAD + b"Content-Length: four\r\n\r\nbody"), Code.PROTOCOL_ERROR),
        (raw(HEAD + b"Content-Length: 4, 4\r\n\r\nbody"), Code.PROTOCOL_ERROR),
        (raw(HEAD + b"Content-Length: 4\r\nContent-Length: 2\r\n\r\nbody"), Code.PROTOCOL_ERROR),
        (raw(CHUNKED + b"5\r\nabc"), Code.TRUNCATED),
        (raw(CHUNKED + b"3\r\nabc\r\n"), Code.TRUNCATED),
        (raw(CHUNKED + b"zz\r\nabc\r\n"), Code.TRUNCATED),
        (raw(HEAD), Code.EMPTY),
        (raw(b""), Code.TRUNCATED),
        (raw(b"220 ready\r\n"), Code.PROTOCOL_ERROR),
        (raw(b"HTTP/1.1 abc OK\r\n\r\n"), Code.PROTOCOL_ERROR),
        (raw(HEAD, *[b"X: y\r\n"] * 200, b"\r\n"), Code.PROTOCOL_ERROR),
        (raw(HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n"), Code.PROTOCOL_ERROR),
    ],
)
def test_unusable_answer(script: Script, code: Code) -> None:
    assert code_of(script) == code


def test_chunked_and_unbounded_bodies() -> None:
    with ScriptServer(
        raw(CHUNKED + b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n")
    ) as server:
        assert fetch(server.url(), LOCAL) == b"abcde"
    with ScriptServer(raw(b"HTTP/1.0 200 OK\r\n\r\nabc", b"de")) as server:
        assert fetch(server.url(), LOCAL) == b"abcde"
    with ScriptServer(raw(b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"\r\nabc")) as server:
        assert fetch(server.url(), LOCAL) == b"abc"


def test_body_of_exactly_the_limit() -> None:
    with ScriptServer(answer(b"x" * 100_000)) as server:
        assert len(fetch(server.url(), LOCAL)) == 100_000


def test_identity_coding_is_no_coding() -> None:
    with ScriptServer(answer(b"abc", "200 OK", "Content-Encoding: Identity")) as server:
        assert fetch(server.url(), LOCAL) == b"abc"


# Each of these servers is done after three seconds, and the fetch would wait for it, if only the
# wait for single bytes were bounded.
@pytest.mark.parametrize(
    "drip",
    [
        Drip(HEAD, *[b"X: y\r\n"] * 60, b"\r\nbody"),
        Drip(*[bytes([byte]) for byte in HEAD + b"X: " + b"y" * 60 + b"\r\n\r\nbody"]),
        Drip(HEAD + b"Content-Length: 60\r\n\r\n", *[b"x"] * 60),
        Drip(HEAD + b"\r\n", *[b"x"] * 60),
        Drip(CHUNKED, *[b"1\r\nx\r\n"] * 60, b"0\r\n\r\n"),
        Drip(CHUNKED + b"1\r\nx\r\n0\r\n", *[b"T: u\r\n"] * 60, b"\r\n"),
        Drip(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 60, HEAD + b"\r\nbody"),
    ],
    ids=["headers", "header bytes", "body", "unbounded body", "chunks", "trailers", "continue"],
)
def test_dripping_server_is_cut_at_the_deadline(drip: Drip) -> None:
    with ScriptServer(drip) as server, pytest.raises(DownloadTimeoutError) as caught:
        fetch(server.url(), HURRIED)
    assert not drip.finished.is_set()
    assert caught.value.code is Code.TIMEOUT


def test_silent_server_is_cut_at_the_read_limit() -> None:
    with ScriptServer(silent) as server, pytest.raises(DownloadTimeoutError):
        fetch(server.url(), replace(LOCAL, read_seconds=0.1))


def test_server_that_stalls_in_the_body() -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
        silent(connection, head)

    with ScriptServer(script) as server, pytest.raises(DownloadTimeoutError):
        fetch(server.url(), replace(LOCAL, read_seconds=0.1))


def test_deadline_of_the_caller_counts() -> None:
    with ScriptServer(answer()) as server, pytest.raises(DownloadTimeoutError):
        fetch(server.url(), LOCAL, deadline=0.0)
    assert server.requests == []


def redirect(location: str, status: str = "302 Found") -> Script:
    return answer(b"", status, f"Location: {location}")


@pytest.mark.parametrize("status", ["301 A", "302 B", "303 C", "307 D", "308 E"])
def test_redirect_is_followed(status: str) -> None:
    with ScriptServer(answer(b"there")) as target:
        location = target.url("/a b/ü.wav").encode().decode("latin-1")
        with ScriptServer(redirect(location, status)) as server:
            assert fetch(server.url(), LOCAL) == b"there"
    assert target.requests[0].startswith(b"GET /a%20b/%C3%BC.wav HTTP/1.1\r\n")


def test_relative_redirects_and_their_bound() -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        step = int(head.split()[1].rpartition(b"/")[2])
        reply = redirect(f"../x/{step - 1}") if step else answer(b"end")
        reply(connection, head)

    with ScriptServer(script) as server:
        assert fetch(server.url("/x/3"), LOCAL) == b"end"
        with pytest.raises(AudioInputError) as caught:
            fetch(server.url("/x/4"), LOCAL)
        assert caught.value.code is Code.TOO_MANY_REDIRECTS
        with pytest.raises(AudioInputError):
            fetch(server.url("/x/1"), replace(LOCAL, max_redirects=0))


def test_redirect_loop_ends() -> None:
    with ScriptServer(redirect("/clip.wav")) as server, pytest.raises(AudioInputError) as caught:
        fetch(server.url(), LOCAL)
    assert caught.value.code is Code.TOO_MANY_REDIRECTS
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", Code.BLOCKED_ADDRESS),
        ("https://10.0.0.1/", Code.BLOCKED_ADDRESS),
        ("http://192.168.0.1:8080/", Code.BLOCKED_ADDRESS),
        ("//172.16.0.1/", Code.BLOCKED_ADDRESS),
        ("http://[::1]:1/", Code.BLOCKED_ADDRESS),
        ("http://[fd00:ec2::254]/", Code.BLOCKED_ADDRESS),
        ("http://[64:ff9b::a00:1]/", Code.BLOCKED_ADDRESS),
        ("http://inside.example/", Code.BLOCKED_ADDRESS),
        ("http://93.184.215.14:22/", Code.BAD_PORT),
        ("http://2130706433/", Code.BAD_URL),
        ("http://user:secret@93.184.215.14/", Code.CREDENTIALS),
        ("http://127.0.0.1\\@93.184.215.14/", Code.BAD_URL),
        ("http://[::1", Code.BAD_REDIRECT),
        ("file:///etc/passwd", Code.BAD_SCHEME),
        ("gopher://127.0.0.1:6379/_x", Code.BAD_SCHEME),
        ("data:audio/wav;base64,AAAA", Code.BAD_SCHEME),
        ("javascript:alert(1)", Code.BAD_SCHEME),
        ("ftp://127.0.0.1/clip.wav", Code.BAD_REDIRECT),
    ],
)
def test_redirect_is_checked_like_the_first_url(location: str, code: Code) -> None:
    policy = replace(
        LOCAL,
        allow=(ipaddress.ip_network("127.0.0.0/8"),),
        resolver=Lookups(inside_example=[["10.1.2.3"]]).resolver,
    )
    with (
        ScriptServer(redirect(location)) as server,
        recorded_connects() as made,
        pytest.raises(AudioInputError) as caught,
    ):
        fetch(server.url(), policy)
    assert caught.value.code is code
    assert made == [("127.0.0.1", server.port)]


def test_redirects_share_one_deadline() -> None:
    step = threading.Event()

    def script(connection: socket.socket, head: bytes) -> None:
        step.wait(0.2)
        redirect("/again")(connection, head)

    with ScriptServer(script) as server, pytest.raises(DownloadTimeoutError):
        fetch(server.url(), replace(LOCAL, total_seconds=0.3))


def test_second_address_is_tried_when_the_first_refuses() -> None:
    with ScriptServer(answer(b"second")) as server:
        lookups = Lookups(two_example=[["127.0.0.2", "127.0.0.1"]])
        policy = replace(LOCAL, resolver=lookups.resolver)
        with recorded_connects() as made:
            assert fetch(server.url(host="two.example"), policy) == b"second"
    assert made == [("127.0.0.2", server.port), ("127.0.0.1", server.port)]


def test_many_threads_fetch_at_once() -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        answer(head.split()[1] * 1000)(connection, head)

    results: dict[int, bytes] = {}
    with ScriptServer(script) as server:

        def work(number: int) -> None:
            results[number] = fetch(server.url(f"/{number:03}"), LOCAL)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: f"/{number:03}".encode() * 1000 for number in range(16)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_behind() -> None:
    with ScriptServer(silent) as quiet, ScriptServer(answer()) as server:
        fetch(server.url(), LOCAL)
        before = open_files()
        for _ in range(5):
            fetch(server.url(), LOCAL)
            with pytest.raises(DownloadTimeoutError):
                fetch(quiet.url(), replace(LOCAL, read_seconds=0.02))
        # The server threads close theirs a moment later.
        for _ in range(100):
            if open_files() <= before:
                break
            threading.Event().wait(0.01)
        assert open_files() <= before
    watchdogs = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for watchdog in watchdogs:
        watchdog.join(2)  # shorter than any of their deadlines
    assert not any(watchdog.is_alive() for watchdog in watchdogs)


def test_server_that_swallows_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        waits.append(self.gettimeout())
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", connect)
    lookups = Lookups(six_example=[[f"127.0.0.{number}" for number in range(1, 7)]])
    policy = replace(LOCAL, connect_seconds=0.4, resolver=lookups.resolver)
    with pytest.raises(DownloadTimeoutError):
        fetch("http://six.example/", policy)
    # Four addresses at most, and the first one may not use up the time of the others.
    assert len(waits) == 4
    assert waits[0] == pytest.approx(0.1, abs=0.01)
