"""The whole way: a POST to a real Gunicorn, the real engine on a tiny model, a WAV back."""

from __future__ import annotations

import functools
import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import soundfile as sf

from tests.app.gunicorn_server import Server, running_server
from tests.indextts.goldens import SHARED, needs_goldens
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

pytestmark = pytest.mark.deploy


def wav(seed: int) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, voice(seed), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running_server(
        folder,
        wav(1).hex(),
        engine="",
        model_dir=tiny_model_dir,
        device="cpu",
        fetch_allow="127.0.0.0/8",
    ) as running:
        yield running


def post(server: Server, **body: object) -> requests.Response:
    body.setdefault("spk_audio", server.clip_hex)
    return requests.post(f"{server.url}/tts", json=body, timeout=60)


@pytest.mark.parametrize("text", [SENTENCES[0], SENTENCES[2]])
def test_the_answer_tells_the_truth(server: Server, text: str) -> None:
    response = post(server, text=text, seed=5)
    assert response.status_code == 200, response.text
    answer = response.json()
    samples, rate = sf.read(io.BytesIO(bytes.fromhex(answer["audio_hex"])), dtype="int16")
    assert rate == SAMPLE_RATE
    assert samples.any()
    assert answer["audio_length"] == pytest.approx(len(samples) / rate)
    assert answer["rtf"] == pytest.approx(answer["inference_time"] / answer["audio_length"])
    assert answer["text"] == text
    assert answer["seed"] == 5
    again = post(server, text=text, seed=5).json()
    assert again["audio_hex"] == answer["audio_hex"]


@needs_goldens
@pytest.mark.parametrize("text", ["Hello there, how are you?", "你好，今天天气很好。"])
def test_a_real_voice(server: Server, text: str) -> None:
    clip = (SHARED / "assets/voices/voice_01.wav").read_bytes()
    response = post(server, text=text, spk_audio=clip.hex())
    assert response.status_code == 200, response.text
    assert response.json()["audio_length"] > 0


def test_clips_by_url_are_the_same_as_by_hex(server: Server, tmp_path: Path) -> None:
    (tmp_path / "voice.wav").write_bytes(wav(1))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{files.server_port}"
        by_url = post(server, text=SENTENCES[0], seed=1, spk_audio=f"{url}/voice.wav")
        missing = post(server, text=SENTENCES[0], spk_audio=f"{url}/nothing.wav")
        files.shutdown()
    assert by_url.json()["audio_hex"] == post(server, text=SENTENCES[0], seed=1).json()["audio_hex"]
    assert missing.status_code == 400
    assert missing.json()["detail"] == "Invalid audio input format"


@pytest.mark.parametrize(
    ("path", "text", "voice", "status"),
    [
        ("/tts", "text", "spk_audio", 422),
        ("/tts/stream", "text", "spk_audio", 422),
        ("/v1/audio/speech", "input", "ref_audio", 400),  # as OpenAI's own
    ],
)
def test_a_pause_that_is_too_long_is_the_callers_mistake(
    server: Server, path: str, text: str, voice: str, status: int
) -> None:
    """Only the engine reads pauses; its sentence about them reaches the caller."""
    body = {text: "Wait. [pause 11s] Go on.", voice: server.clip_hex}
    answer = requests.post(f"{server.url}{path}", json=body, timeout=60)
    assert answer.status_code == status, answer.text
    assert "10 s at most, not as long as [pause 11s]" in answer.text
    body[text] = "Wait. [pause 1s] Go on."
    assert requests.post(f"{server.url}{path}", json=body, timeout=60).status_code == 200


def test_emotions_change_the_sound(server: Server) -> None:
    sounds = {
        name: post(server, text=SENTENCES[0], seed=1, **body).json()["audio_hex"]
        for name, body in {
            "none": {},
            "clip": {"emo_audio": wav(4).hex()},
            "half": {"emo_audio": wav(4).hex(), "emo_alpha": 0.5},
            "vector": {"emo_vector": [0.8, 0, 0, 0, 0, 0, 0, 0]},
        }.items()
    }
    assert len(set(sounds.values())) == len(sounds)


def test_bytes_by_accept(server: Server) -> None:
    response = requests.post(
        f"{server.url}/tts",
        json={"text": SENTENCES[0], "spk_audio": server.clip_hex},
        headers={"Accept": "audio/flac"},
        timeout=60,
    )
    samples, rate = sf.read(io.BytesIO(response.content))
    assert response.headers["Content-Type"] == "audio/flac"
    assert float(response.headers["X-Audio-Length"]) == pytest.approx(len(samples) / rate)


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"text": SENTENCES[0], "spk_audio": "zz" * 80}, 400, "Invalid audio input format"),
        ({"text": SENTENCES[0], "spk_audio": "00" * 80}, 400, "Invalid audio input format"),
        ({"text": "!?"}, 422, "Validation failed"),
        ({"text": ""}, 422, "Validation failed"),
        ({}, 422, "Validation failed"),
        ({"text": SENTENCES[0], "emo_text": "happy"}, 422, "Validation failed"),
        ({"text": SENTENCES[0], "emo_alpha": 1.5}, 422, "Validation failed"),
    ],
)
def test_errors(server: Server, body: dict[str, object], status: int, detail: str) -> None:
    response = post(server, **body)
    assert response.status_code == status, response.text
    assert response.json()["detail"] == detail
    assert "Traceback" not in response.text


def test_health_and_log(server: Server) -> None:
    health = server.health().json()
    assert health["status"] == "healthy"
    assert health["model_loaded"] is True
    assert health["deepspeed_enabled"] is False
    assert health["device"] == "cpu"
    assert "DeepSpeed is" in server.log
    assert SENTENCES[0] not in server.log


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with running_server(
        tmp_path, wav(1).hex(), ready=False, engine="", model_dir=tmp_path / "none"
    ) as running:
        from tests.app.gunicorn_server import wait_for

        wait_for(lambda: running.health().json()["status"] == "failed")
        assert running.health().status_code == 503
        response = post(running, text=SENTENCES[0])
        assert response.status_code == 503
        assert response.json()["detail"] == "Model not loaded"
        assert "config.yaml" in running.log
        assert "indextts download" in running.log
