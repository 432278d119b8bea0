"""A real Gunicorn and clients that are slow, idle, many, or leave in their own ways."""

from __future__ import annotations

import json
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests

from tests.app.gunicorn_server import Server, running_server, wait_for

pytestmark = pytest.mark.deploy

POST = b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clip_hex: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("clients")
    with running_server(folder, clip_hex, client_seconds=2, log_level="debug") as running:
        yield running


def connect(server: Server, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(data)
    return connection


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


@contextmanager
def dripping(server: Server, begin: bytes, count: int) -> Iterator[list[socket.socket]]:
    """So many clients that send a byte now and then."""
    stop = threading.Event()
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(connect(server, begin))) for _ in range(count)]

        def drip() -> None:
            while not stop.wait(0.1):
                for connection in slow:
                    try:
                        connection.sendall(b"b")
                    except OSError:
                        continue

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield slow
        stop.set()
        thread.join()


def test_heads_that_drip_hold_nobody_up(server: Server) -> None:
    with dripping(server, b"GET / HTTP/1.1\r\nX-A: ", 40) as slow:
        for _ in range(3):
            assert requests.get(f"{server.url}/health/live", timeout=5).status_code == 200
            assert server.speak("in between", timeout=10).status_code == 200
        answer = read_all(slow[0])
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "request_timeout"


def test_bodies_that_drip_leave_health_alone_and_end(server: Server) -> None:
    with dripping(server, POST + b"Content-Length: 100000\r\n\r\n{", 20) as slow:
        for _ in range(5):
            assert requests.get(f"{server.url}/health/live", timeout=5).status_code == 200
            assert server.health().status_code == 200
        answer = read_all(slow[0])
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "request_timeout"
    wait_for(lambda: server.speak("after", timeout=20).status_code == 200)


def test_idle_connections_make_room(tmp_path: Path, clip_hex: str) -> None:
    few = ("prlimit", "--nofile=256:256")
    with running_server(tmp_path, clip_hex, prefix=few) as server, ExitStack() as stack:
        workers = server.worker_pids()
        for index in range(300):
            stack.enter_context(closing(connect(server)))
            if index % 50 == 49:
                assert requests.get(f"{server.url}/health/live", timeout=5).status_code == 200
        assert server.speak("still here").status_code == 200
        assert server.worker_pids() == workers
        assert "Too many open files" not in server.log


def test_a_worker_without_files_waits_for_some(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server, ExitStack() as stack:
        (worker,) = server.worker_pids()
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        used = {int(path.name) for path in Path(f"/proc/{worker}/fd").iterdir()}
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (max(used) + 1, limits[1]))
        for _ in range(30):
            stack.enter_context(closing(connect(server)))
        wait_for(lambda: "no connection could be accepted: Too many open files" in server.log)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
        wait_for(lambda: server.health().status_code == 200)
        assert server.speak("still here").status_code == 200
        assert server.worker_pids() == [worker]


def speak_bytes(server: Server, text: str) -> bytes:
    body = json.dumps({"text": text, "spk_audio": server.clip_hex}).encode()
    return POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("extra", [b"", b"\n", b"GET / HTTP/1.1\r\n"])
def test_a_client_that_leaves_frees_the_engine(server: Server, extra: bytes) -> None:
    with closing(connect(server, speak_bytes(server, "[slow 60] left") + extra)):
        wait_for(lambda: server.health().json()["running"])
    wait_for(lambda: not server.health().json()["running"], 5)


def test_a_client_that_closes_its_sending_side_gets_its_answer(server: Server) -> None:
    with closing(connect(server, speak_bytes(server, "[slow 1] half-closed"))) as connection:
        connection.shutdown(socket.SHUT_WR)
        interim, _, answer = read_all(connection).partition(b"\r\n\r\n")
    assert interim == b"HTTP/1.1 100 Continue"
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert "audio_hex" in json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_refused_upload_that_goes_on_sees_the_answer(server: Server) -> None:
    body = bytes(20_000_000)
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with closing(connect(server)) as connection:
        connection.sendall(head + body)
        assert connection.recv(12) == b"HTTP/1.1 404"


def test_debug_lines_have_no_paths_and_no_id_of_another_request(server: Server) -> None:
    before = len(server.log)
    with closing(connect(server)) as connection:
        for index in range(2):
            head = (
                f"GET /private-{index}?key=secret HTTP/1.1\r\nHost: a\r\nX-Request-ID: id-{index}"
            )
            connection.sendall(head.encode() + b"\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 404"
            while b"request_id" not in connection.recv(65536):
                pass
        connection.sendall(b"GET /private-2 HTTP/1.1\r\nnonsense\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400")
    wait_for(lambda: "unreadable request" in server.log[before:])
    lines = server.log[before:].splitlines()
    assert not [line for line in lines if "private-" in line or "secret" in line]
    assert [line for line in lines if "id-1" in line]
    (refusal,) = [line for line in lines if "unreadable request" in line]
    assert "id-" not in refusal


@pytest.mark.parametrize(
    ("begun", "form"),
    [
        (b"POST /tts HTTP/1.1\r\nHost: a\r\n", {"error", "detail", "request_id"}),
        (b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\n", {"error"}),
        (b"POST /v1/audio/sp", {"error"}),
        (b"PO", {"error", "detail", "request_id"}),
    ],
)
def test_a_head_that_does_not_come_is_answered_in_the_form_of_its_path(
    server: Server, begun: bytes, form: set[str]
) -> None:
    with closing(connect(server, begun)) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert set(json.loads(body)) == form


def test_a_pipelined_request_is_served(server: Server) -> None:
    two = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n" * 2
    with closing(connect(server, two + b"GET /nowhere HTTP/1.1\r\nHost: a\r\n")) as connection:
        connection.sendall(b"Connection: close\r\n\r\n")
        answers = read_all(connection)
    assert (answers.count(b"HTTP/1.1 200 OK"), answers.count(b"HTTP/1.1 404")) == (2, 1)


def test_a_drain_does_not_wait_for_the_idle(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server, closing(connect(server)):
        running = server.speak_later("[slow 1]")
        wait_for(lambda: server.events("start"))
        with closing(connect(server, b"GET / HTTP/1.1\r\n")):
            server.terminate()
            assert running.result().status_code == 200
            assert server.process.wait(15) == 0
