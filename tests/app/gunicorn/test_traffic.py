"""A real Gunicorn under load: health, refusals, callers that hang up."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.app.gunicorn_server import Server, running_server, wait_for

pytestmark = pytest.mark.deploy


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, clip_hex: str) -> Iterator[Server]:
    """A server for the tests that leave no trace in it."""
    with running_server(tmp_path_factory.mktemp("server"), clip_hex) as server:
        yield server


def test_health_answers_quickly_while_a_synthesis_runs(shared_server: Server) -> None:
    pending = shared_server.speak_later("[slow 2]")
    wait_for(lambda: shared_server.health().json()["running"])
    times = []
    for _ in range(9):
        started = time.perf_counter()
        answer = shared_server.health()
        times.append(time.perf_counter() - started)
        assert answer.status_code == 200
        assert answer.json()["running"] is True
    assert statistics.median(times) < 0.2
    assert pending.result().status_code == 200


def test_a_full_queue_refuses_at_once(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, queue_size=1) as server:
        running = server.speak_later("[slow 3] first")
        wait_for(lambda: server.events("start"))
        queued = server.speak_later("second")
        wait_for(lambda: server.health().json()["queue_length"] == 1)
        times = []
        for _ in range(5):
            started = time.perf_counter()
            refused = server.speak("third")
            times.append(time.perf_counter() - started)
            assert refused.status_code == 429
            assert refused.json()["error"] == "queue_full"
            assert int(refused.headers["Retry-After"]) >= 1
        assert statistics.median(times) < 0.2
        assert running.result().status_code == 200
        assert queued.result().status_code == 200


def test_a_burst_waits_its_turn(tmp_path: Path, clip_hex: str) -> None:
    """As programs send it that read a page aloud: a sentence each, all at once."""
    # A server of its own: what others were told to do slowly would count as its pace.
    with running_server(tmp_path, clip_hex) as server:
        pending = [server.speak_later(f"[slow 0.1] sentence {number}") for number in range(30)]
        assert [answer.result().status_code for answer in pending] == [200] * 30

        def stream(number: int) -> int:
            body = {"text": f"[slow 0.1] sentence {number}", "spk_audio": clip_hex}
            return requests.post(f"{server.url}/tts/stream", json=body, timeout=60).status_code

        with ThreadPoolExecutor(30) as pool:
            assert list(pool.map(stream, range(30))) == [200] * 30


def test_who_cannot_be_served_in_time_is_told_at_once(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, queue_seconds=5) as server:
        running = server.speak_later("[slow 2] " + 400 * "long ")  # 40 s, as far as it knows
        wait_for(lambda: server.events("start"))
        assert server.health().json()["expected_wait"] > 5
        refused = server.speak("third")
        assert (refused.status_code, refused.json()["error"]) == (429, "queue_full")
        assert int(refused.headers["Retry-After"]) >= 2
        assert running.result().status_code == 200


def test_a_caller_that_hangs_up_frees_the_engine(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        connection = _send_and_keep(server, "[slow 30]")
        wait_for(lambda: server.events("start"))
        hung_up = time.time()
        connection.close()
        wait_for(lambda: server.events("CancelledError"))
        noticed = float(server.events("CancelledError")[0].split()[0])
        assert noticed - hung_up < 1.0  # a step is 0.01 s; the rest is for a busy machine
        assert server.speak("next").status_code == 200


def test_a_caller_that_hangs_up_in_the_queue_is_skipped(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        running = server.speak_later("[slow 2] first")
        wait_for(lambda: server.events("start"))
        connection = _send_and_keep(server, "never spoken")
        wait_for(lambda: server.health().json()["queue_length"] == 1)
        connection.close()
        wait_for(lambda: server.health().json()["queue_length"] == 0)
        assert running.result().status_code == 200
        assert not [line for line in server.events("start") if "never spoken" in line]


def test_loading_is_shown_and_refused(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, ready=False, test_load_seconds=2) as server:
        health = server.health()
        assert health.status_code == 503
        assert health.json()["status"] == "loading"
        assert health.json()["model_loaded"] is False
        refused = server.speak("too early")
        assert refused.status_code == 503
        assert refused.json()["detail"] == "Model not loaded"
        assert "Retry-After" in refused.headers
        wait_for(lambda: server.health().status_code == 200)
        assert server.speak("now").status_code == 200


def test_too_large_a_body_gets_its_answer(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, max_body_bytes=100_000) as server:
        body = {"text": "a", "spk_audio": "00" * 1_000_000}
        answer = requests.post(f"{server.url}/tts", json=body, timeout=10)
        assert answer.status_code == 413
        assert answer.json()["error"] == "body_too_large"


CHUNKED = b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 40_000, 431),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (CHUNKED + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    ],
    ids=["header", "host", "hosts", "lines", "coding", "large", "address", "headers", "chunk"],
)
def test_what_gunicorn_refuses_has_the_common_form(
    shared_server: Server, request_bytes: bytes, status: int
) -> None:
    head, body = _raw_answer(shared_server, request_bytes)
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert b"application/json" in head
    answer = json.loads(body)
    assert set(answer) == {"error", "detail", "request_id"}


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET /v1/" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
        (
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 40_000,
            *(431, "headers_too_large"),
        ),
    ],
    ids=["host", "address", "large"],
)
def test_under_v1_gunicorn_refuses_as_openai_does(
    shared_server: Server, request_bytes: bytes, status: int, code: str
) -> None:
    head, body = _raw_answer(shared_server, request_bytes)
    assert head.startswith(b"HTTP/1.1 %d" % status)
    error = json.loads(body)["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, code)


def test_http_1_0_needs_no_host(shared_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", shared_server.port), timeout=10) as connection:
        connection.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert _read_all(connection).startswith(b"HTTP/1.0 200 OK")


def test_metrics_count_both_workers(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, workers=2) as server:
        wait_for(lambda: 'indextts_model_state{state="healthy"} 2.0' in _metrics(server))
        for _ in range(20):
            assert server.speak("count me").status_code == 200
        assert 'indextts_http_requests_total{code="200",method="POST",route="/tts"} 20.0' in (
            _metrics(server)
        )


def test_silent_clients_do_not_keep_threads(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, client_seconds=1, queue_size=0) as server:
        connections = []
        head = b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        for _ in range(10):  # as many as there are threads
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            connection.sendall(head + b"Content-Length: 1000\r\n\r\n{")
            connections.append(connection)
        assert _read_all(connections[0]).startswith(b"HTTP/1.1 408")
        assert server.health().status_code == 200
        for connection in connections:
            connection.close()


def test_clients_that_never_close_hold_nobody_up(shared_server: Server) -> None:
    connections = []
    for _ in range(4):
        connection = socket.create_connection(("127.0.0.1", shared_server.port), timeout=10)
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        _read_all(connection)
        connections.append(connection)
    started = time.perf_counter()
    assert shared_server.health().status_code == 200
    assert time.perf_counter() - started < 1.5  # Gunicorn alone waits 2 s for each
    for connection in connections:
        connection.close()


def _metrics(server: Server) -> str:
    return requests.get(f"{server.url}/metrics", timeout=10).text


def _send_and_keep(server: Server, text: str) -> socket.socket:
    body = json.dumps({"text": text, "spk_audio": server.clip_hex}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = (
        "POST /tts HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def _raw_answer(server: Server, request_bytes: bytes) -> tuple[bytes, bytes]:
    """Head and body of what a request gets that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request_bytes)
        head, _, body = _read_all(connection).partition(b"\r\n\r\n")
    return head, body


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(4096):
        received += part
    return received
