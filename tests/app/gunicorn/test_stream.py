"""``POST /tts/stream`` from a real Gunicorn: pieces, readers that dawdle or leave, the end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.app.gunicorn_server import Server, running_server, wait_for

pytestmark = pytest.mark.deploy
BROKEN = 'indextts_streams_broken_total{reason="client"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clip_hex: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("stream")
    with running_server(folder, clip_hex, queue_size=30, max_text_chars=20_000) as running:
        yield running


def start(server: Server, text: str, **fields: object) -> requests.Response:
    """Begin a stream; the answer's body is still to be read."""
    body = {"text": text, "spk_audio": server.clip_hex, "format": "pcm", **fields}
    return requests.post(f"{server.url}/tts/stream", json=body, stream=True, timeout=60)


def idle(server: Server) -> bool:
    health = server.health().json()
    return not health["running"] and not health["queue_length"]


def metric(server: Server, name: str) -> float:
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_the_first_segment_arrives_while_the_second_is_made(server: Server) -> None:
    with closing(start(server, "first\n[slow 250]")) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        pieces = answer.iter_content(None)  # kept: an iterator that goes takes the answer along
        assert len(next(pieces)) > 1000
        assert server.health().json()["running"] is True
    wait_for(lambda: idle(server))


def test_readers_who_leave_take_nothing_with_them(server: Server) -> None:
    broken = metric(server, BROKEN)
    (worker,) = server.worker_pids()
    tasks = Path(f"/proc/{worker}/task")
    started = len(server.events("start"))
    running = start(server, "first\n[slow 250]")
    pieces = running.iter_content(None)
    next(pieces)
    before = len(list(tasks.iterdir()))
    body = b'{"text": "waits\\n[slow 250]", "spk_audio": "%s"}' % server.clip_hex.encode()
    head = (
        b"POST /tts/stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    waiting = []
    for _ in range(19):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(head + body)
        waiting.append(connection)
    wait_for(lambda: server.health().json()["queue_length"] == 19)
    for connection in waiting:
        connection.close()
    running.close()
    wait_for(lambda: idle(server))
    # Those who left while they waited never reached the engine.
    assert len(server.events("start")) == started + 1
    assert len(server.events("CancelledError")) >= 1
    assert metric(server, "indextts_streams_open") == 0
    assert metric(server, BROKEN) == broken + 1
    assert "Traceback" not in server.log
    # Request threads come on demand and stay: no more than were in use at once.
    assert len(list(tasks.iterdir())) <= before + 20
    assert server.speak("still here").status_code == 200


def test_a_reader_who_dawdles_holds_up_nobody(server: Server) -> None:
    text = "\n".join(["x" * 190] * 60)  # about two minutes of sound, more than buffers hold
    with closing(start(server, text, format="wav")) as slow:
        assert slow.raw.read(1) == b"R"
        for _ in range(3):
            assert server.speak("quick").status_code == 200
            assert slow.raw.read(1)
        wait_for(lambda: idle(server))
        rest = slow.raw.read()
    assert len(rest) + 4 == 44 + 2 * (60 * 2 * 22050 + 59 * 4410)


def test_a_failure_after_the_first_sound_breaks_the_body(server: Server) -> None:
    answer = start(server, "first\n[fail]")
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        answer.content  # noqa: B018 - reads the body


def test_sigterm_finishes_a_stream(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        answer = start(server, "first\n[slow 1]\nthird")
        pieces = answer.iter_content(None)
        size = len(next(pieces))
        server.terminate()
        size += sum(map(len, pieces))
        assert size == 2 * (2 * int(22050 * 0.15) + int(22050 * 0.18) + 2 * 4410)
        server.process.wait(20)
        assert '"whole"' in server.log or "whole=True" in server.log


def test_a_killed_worker_breaks_a_stream_visibly(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        answer = start(server, "first\n[slow 250]")
        pieces = answer.iter_content(None)
        next(pieces)
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(pieces)
