"""Clips by URL through the whole application; the rules of fetching are tested in audio/."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.app.conftest import AppMaker


class ClipHandler(http.server.BaseHTTPRequestHandler):
    """Serves the clip at /clip, and dawdles at /slow."""

    clip = b""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(0.4)
        self.send_response(200 if self.path in ("/clip", "/slow") else 404)
        self.send_header("Content-Length", str(len(self.clip)))
        self.end_headers()
        self.wfile.write(self.clip)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def files(clip: bytes) -> Iterator[str]:
    class Handler(ClipHandler):
        pass

    Handler.clip = clip
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


def speak(client: FlaskClient, url: str, **fields: object) -> tuple[int, dict[str, object]]:
    answer = client.post("/tts", json={"text": "hello", "spk_audio": url, **fields})
    return answer.status_code, answer.get_json()


def test_a_clip_by_url_and_its_time(client: FlaskClient, files: str) -> None:
    status, body = speak(client, f"{files}/slow", emo_audio=f"{files}/clip")
    assert status == 200
    assert isinstance(body["fetch_time"], float)
    assert body["fetch_time"] >= 0.4
    assert isinstance(body["inference_time"], float)
    assert body["inference_time"] < body["fetch_time"]  # which is no part of it


def test_a_missing_clip(client: FlaskClient, files: str) -> None:
    status, body = speak(client, f"{files}/none")
    assert (status, body["detail"]) == (400, "Invalid audio input format")


def test_private_networks_are_refused_unless_allowed(make_app: AppMaker, files: str) -> None:
    client = make_app(fetch_allow=()).test_client()
    status, body = speak(client, f"{files}/clip")
    assert (status, body["detail"]) == (400, "Invalid audio input format")
    assert "127.0.0.1" not in str(body)


def test_a_download_that_takes_too_long(make_app: AppMaker) -> None:
    client = make_app(fetch_seconds=0.3).test_client()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        status, body = speak(client, f"http://127.0.0.1:{silent.getsockname()[1]}/clip")
    assert (status, body["error"], body["detail"]) == (
        408,
        "download_timeout",
        "Download timeout",
    )
    assert list(body["errors"]) == ["spk_audio"]  # type: ignore[call-overload]


def test_the_deadline_of_the_request_bounds_the_download(make_app: AppMaker) -> None:
    client = make_app(request_seconds=0.3).test_client()
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        status, _ = speak(client, f"http://127.0.0.1:{silent.getsockname()[1]}/clip")
    assert status == 408
    assert time.monotonic() - started < 3


def test_a_full_server_refuses_before_it_downloads(make_app: AppMaker, clip_hex: str) -> None:
    app = make_app(queue_size=0)
    running = app.test_client().post(
        "/tts/stream", json={"text": "first\n[slow 60]", "spk_audio": clip_hex}, buffered=False
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        status, body = speak(app.test_client(), f"http://127.0.0.1:{server.getsockname()[1]}/clip")
        assert (status, body["error"]) == (429, "queue_full")
        with pytest.raises(BlockingIOError):
            server.accept()
    running.close()


def test_slow_servers_of_clips_hold_nothing_of_the_engine(
    make_app: AppMaker, files: str, clip_hex: str
) -> None:
    """Two seats and two places for downloads, of which a caller may have one."""
    app = make_app(queue_size=1, fetch_seconds=5.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/clip"
        held = threading.Thread(target=lambda: speak(app.test_client(), url), daemon=True)
        held.start()
        silent.accept()[0].recv(1)  # it is being downloaded
        answer = speak(app.test_client(), f"{files}/clip")
        assert (answer[0], answer[1]["error"]) == (429, "downloads_full")
        for _ in range(3):  # clips that come along need no place
            assert speak(app.test_client(), clip_hex)[0] == 200
