"""Requests as widely used clients send them, and answers as these clients read them."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests
import soundfile
from numpy.typing import NDArray

from tests.app.gunicorn_server import Server, running_server

pytestmark = pytest.mark.deploy

RECORDED = Path(__file__).with_name("recorded")
# What the stand-in hums for the text of all of them.
SECONDS = 0.15 + 0.2 + 0.16
# aiohttp's StreamReader reads lines of at most this many bytes.
LONGEST_LINE = 1 << 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clip_hex: str) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("clients"), clip_hex) as running:
        yield running


def replay(
    server: Server, name: str, times: int = 1
) -> list[tuple[http.client.HTTPMessage, bytes]]:
    """Send a recorded request, as often as asked over one connection."""
    head, _, body = (RECORDED / f"{name}.http").read_bytes().partition(b"\n\n")
    body = body.strip()
    head += b"\nHost: 127.0.0.1:%d\nContent-Length: %d\n\n" % (server.port, len(body))
    answers = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for _ in range(times):
            connection.sendall(head.replace(b"\n", b"\r\n") + body)
            answer = http.client.HTTPResponse(connection, method="POST")
            answer.begin()
            data = answer.read()
            assert answer.status == 200, data
            answers.append((answer.headers, data))
    return answers


def decoded(data: bytes) -> tuple[NDArray[np.float32], int]:
    """What PyAV makes of a file: float32 [n], and its rate."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        samples = np.concatenate([frame.reshape(-1) for frame in frames])
        return (samples / 32768 if samples.dtype == np.int16 else samples), stream.rate


def assert_whole(samples: NDArray[Any], rate: int, padding: float) -> None:
    """The tone is there from its begin to its end; nothing but a codec's padding is around it."""
    assert SECONDS - 0.005 <= len(samples) / rate <= SECONDS + padding
    (loud,) = np.nonzero(np.abs(samples) > 0.1)
    assert loud[0] / rate < padding + 0.01
    heard = (loud[-1] - loud[0]) / rate
    assert heard == pytest.approx(SECONDS, abs=0.01)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    "name",
    [
        *("openai_python", "openai_node", "livekit_audio", "home_assistant_openai_tts"),
        *("open_webui", "sillytavern"),
    ],
)
def test_who_saves_an_mp3(server: Server, name: str) -> None:
    for headers, data in replay(server, name, times=2):
        assert headers["Content-Type"] == "audio/mpeg"
        # A frame at once: no tags, and no header that tells a length of 0.
        assert data[0] == 0xFF
        assert data[1] & 0xE0 == 0xE0
        assert b"Xing" not in data[:200]
        assert soundfile.info(io.BytesIO(data)).format == "MP3"
        samples, rate = decoded(data)
        assert rate == 22050
        assert_whole(samples, rate, 0.12)


def test_who_reads_the_header_of_a_wav(server: Server) -> None:
    """Three at once, as the bridge of Home Assistant asks for sentences."""
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: replay(server, "home_assistant_wyoming")[0], range(3)))
    for headers, data in answers:
        assert headers["Content-Type"] == "audio/wav"
        assert int(headers["Content-Length"]) == len(data)
        assert data[12:16] + data[36:40] == b"fmt data"
        assert int.from_bytes(data[40:44], "little") == len(data) - 44
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        assert (rate, len(samples)) == (22050, (len(data) - 44) // 2)
        assert_whole(samples, rate, 0.0)


def test_who_takes_raw_samples_for_24_khz(server: Server) -> None:
    ((headers, data),) = replay(server, "pipecat")
    assert headers["Content-Type"].startswith("audio/pcm")
    assert headers["X-Warning"]
    samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
    assert_whole(samples, 24_000, 0.005)
    # The tone of the stand-in has 220 Hz, and must have them at this rate.
    spectrum = np.abs(np.fft.rfft(samples[: int(0.15 * 24_000)], 24_000))
    assert np.argmax(spectrum) == pytest.approx(220, abs=3)


def test_who_reads_events(server: Server) -> None:
    ((headers, data),) = replay(server, "livekit_sse")
    assert headers["Content-Type"].startswith("text/event-stream")
    lines = data.split(b"\n")
    assert max(map(len, lines)) < LONGEST_LINE
    events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    samples, rate = decoded(sound)
    assert rate == 22050
    assert_whole(samples, rate, 0.12)


def test_one_request_a_sentence_all_at_once(server: Server) -> None:
    """Open WebUI: a 429 would be silence to its user."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: replay(server, "open_webui")[0], range(16)))
    assert len({data for _, data in answers}) == 1


def test_what_clients_ask_to_find_out_whom_they_speak_to(server: Server) -> None:
    """wyoming-openai takes a server for another one by these."""
    assert requests.get(f"{server.url}/v1/readyz", timeout=10).status_code == 404
    assert requests.get(f"{server.url}/v1/test", timeout=10).status_code == 404
    assert requests.get(f"{server.url}/health", timeout=10).text != "OK"
    # Open WebUI goes on to /v1/models.
    assert requests.get(f"{server.url}/v1/audio/models", timeout=10).status_code == 404
    models = requests.get(f"{server.url}/v1/models", timeout=10).json()["data"]
    assert "tts-1" in [model["id"] for model in models]


def test_an_error_is_read_from_the_body(server: Server) -> None:
    """Open WebUI shows `error.message`."""
    answer = requests.post(
        f"{server.url}/v1/audio/speech", json={"input": "hi", "voice": "nobody"}, timeout=10
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
    assert "en_female" in answer.json()["error"]["message"]
