"""``POST /tts`` through Flask's test client."""

from __future__ import annotations

import base64
import io

import pytest
import soundfile
from flask.testing import FlaskClient

from tests.app.conftest import wave_bytes
from tests.app.routes.calls import BOTH, speak


def test_the_json_answer(client: FlaskClient, clip_hex: str) -> None:
    answer = speak(client, clip_hex, text="你好 ☃", seed=7)
    assert answer.status_code == 200
    body = answer.get_json()
    assert list(body) == [
        "audio_hex",
        "audio_length",
        "inference_time",
        "rtf",
        "text",
        "queue_time",
        "fetch_time",
        "seed",
        "quality",
        "sample_rate",
        "format",
        "warnings",
        "segments",
    ]
    samples, rate = soundfile.read(io.BytesIO(bytes.fromhex(body["audio_hex"])))
    assert rate == body["sample_rate"] == 22050
    assert len(samples) / rate == pytest.approx(body["audio_length"])
    assert body["rtf"] == pytest.approx(body["inference_time"] / body["audio_length"])
    assert (body["text"], body["seed"], body["format"]) == ("你好 ☃", 7, "wav")
    assert body["warnings"] == ["unknown character"]
    assert body["segments"] == [
        {
            "text": "你好 ☃",
            "spoken_text": "hum",
            "start": 0.0,
            "end": body["audio_length"],
        }
    ]


def test_segments_and_subtitles(client: FlaskClient, clip_hex: str) -> None:
    fields = {"text": "first\nsecond", "interval_silence": 500, "subtitles": "srt"}
    body = speak(client, clip_hex, **fields).get_json()
    first, second = body["segments"]
    assert (first["text"], first["start"], second["text"]) == ("first", 0.0, "second")
    assert second["start"] == pytest.approx(first["end"] + 0.5, abs=1e-3)
    assert second["end"] == pytest.approx(body["audio_length"])
    assert body["subtitles"].splitlines()[:3] == ["1", "00:00:00,000 --> 00:00:00,150", "first"]
    assert speak(client, clip_hex, subtitles="ass").status_code == 422


@pytest.mark.parametrize(
    ("accept", "asked", "mime", "container"),
    [
        ("audio/*", None, "audio/wav", "WAV"),
        ("audio/flac", None, "audio/flac", "FLAC"),
        ("audio/mpeg", None, "audio/mpeg", "MP3"),
        ("audio/ogg; codecs=opus", None, "audio/ogg; codecs=opus", "OGG"),
        ("audio/*", "mp3", "audio/mpeg", "MP3"),
        ("audio/*, application/json;q=0.5", "ogg", "audio/ogg", "OGG"),
    ],
)
def test_accept_gives_the_file_itself(
    client: FlaskClient, clip_hex: str, accept: str, asked: str | None, mime: str, container: str
) -> None:
    body = {"text": "hello", "spk_audio": clip_hex, "format": asked}
    answer = client.post("/tts", json=body, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == mime
    assert soundfile.info(io.BytesIO(answer.data)).format == container
    assert float(answer.headers["X-Audio-Length"]) == pytest.approx(0.15, abs=0.01)
    for name in ("X-Inference-Time", "X-RTF", "X-Queue-Time", "X-Fetch-Time"):
        assert float(answer.headers[name]) >= 0
    assert answer.headers["X-Seed"] == "1234"
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "audio/wav;q=0.3, application/json"])
def test_json_is_the_rule(client: FlaskClient, clip_hex: str, accept: str) -> None:
    body = {"text": "hello", "spk_audio": clip_hex, "format": "flac"}
    answer = client.post("/tts", json=body, headers={"Accept": accept})
    assert answer.mimetype == "application/json"
    assert bytes.fromhex(answer.get_json()["audio_hex"]).startswith(b"fLaC")


def test_speed(client: FlaskClient, clip_hex: str) -> None:
    lengths = {
        speed: client.post(
            "/tts", json={"text": "hello", "spk_audio": clip_hex, "speed": speed}
        ).get_json()["audio_length"]
        for speed in (0.5, 1, 2.0)
    }
    assert lengths[0.5] == pytest.approx(2 * lengths[1], abs=0.01)
    assert lengths[2.0] == pytest.approx(lengths[1] / 2, abs=0.01)


def test_silence_in_front_counts(client: FlaskClient, clip_hex: str) -> None:
    fields = {"text": "[lead 500] first\nsecond", "interval_silence": 0}
    body = speak(client, clip_hex, **fields).get_json()
    first, second = body["segments"]
    assert first["start"] == 0.5
    assert second["start"] == pytest.approx(first["end"])
    assert second["end"] == pytest.approx(body["audio_length"])
    whole, rate = soundfile.read(io.BytesIO(bytes.fromhex(body["audio_hex"])))
    assert not whole[: rate // 2].any()
    assert whole[rate // 2 : rate // 2 + 100].any()
    assert len(whole) == round(rate * body["audio_length"])
    off = speak(client, clip_hex, **fields, pauses=False).get_json()
    assert off["segments"][0]["start"] == 0.0
    assert off["audio_length"] == pytest.approx(body["audio_length"] - 0.5, abs=1e-3)


def test_a_form_with_files(client: FlaskClient, clip: bytes) -> None:
    form = {
        "text": "hello",
        "spk_audio": (io.BytesIO(clip), "any name.txt"),
        "emo_audio": (io.BytesIO(wave_bytes(0.3)), "b"),
        "emo_alpha": "0.25",
        "pauses": "false",
        "seed": "99",
        "num_beams": "1",
    }
    answer = client.post("/tts", data=form)
    assert answer.status_code == 200
    assert answer.get_json()["seed"] == 99


def test_a_form_with_texts(client: FlaskClient, clip_hex: str) -> None:
    form = {"text": "12", "spk_audio": clip_hex, "emo_vector": "0,0,0.5,0,0,0,0,0"}
    answer = client.post("/tts", data=form, content_type="multipart/form-data")
    assert answer.status_code == 200
    assert answer.get_json()["text"] == "12"


def test_a_data_uri(client: FlaskClient, clip: bytes) -> None:
    uri = "data:audio/wav;base64," + base64.b64encode(clip).decode()
    assert speak(client, uri).status_code == 200


SWAGGER = {
    "max_mel_tokens": "null",
    "top_k": "null",
    "emo_text": "null",
    "seed": "null",
    "temperature": "null",
    "format": "null",
    "emo_vector": "null",
    "emo_alpha": "1",
    "interval_silence": "200",
    "emo_audio": "",
}


@BOTH
@pytest.mark.parametrize(
    "more",
    [
        SWAGGER,
        {"seed": "", "format": "", "emo_text": "", "emo_vector": "", "emo_audio": "  "},
        {"emo_audio": b""},
    ],
)
def test_what_a_form_leaves_empty_is_absent(
    client: FlaskClient, path: str, clip: bytes, more: dict[str, str | bytes]
) -> None:
    files = {n: (io.BytesIO(v), "") for n, v in more.items() if isinstance(v, bytes)}
    form = {"text": "hello", "spk_audio": (io.BytesIO(clip), "voice"), **more, **files}
    answer = client.post(path, data=form, content_type="multipart/form-data")
    assert answer.status_code == 200, answer.get_json()


def test_accept_in_capitals(client: FlaskClient, clip_hex: str) -> None:
    body = {"text": "hello", "spk_audio": clip_hex}
    answer = client.post("/tts", json=body, headers={"Accept": "AUDIO/WAV"})
    assert answer.headers["Content-Type"] == "audio/wav"


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        b'{"text":"a","spk_audio":"b","emo_vector":[' + b"9," * 500_000 + b"9]}",
        b'{"text":"a","spk_audio":"b","emo_vector":[' + b"{}," * 700 + b"9]}",
        b"[" + b"[]," * 500_000 + b"[]]",
        b"{" + b",".join(b'"%x":1' % i for i in range(100_000)) + b"}",
        b"{" + b",".join(b'"%x":1' % i for i in range(900)) + b"}",
        b'{"' + b"k" * 1_000_000 + b'":1}',
        b'{"a":' * 5000,
    ],
)
def test_an_answer_is_not_larger_than_people_read(
    client: FlaskClient, path: str, body: bytes
) -> None:
    answer = client.post(path, data=body, content_type="application/json")
    assert answer.status_code == 422
    assert len(answer.data) < 10_000
