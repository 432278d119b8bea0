"""What ``POST /tts`` and ``POST /tts/stream`` refuse, and how they say so."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.clips.errors import Code
from tests.app.conftest import AppMaker, wave_bytes
from tests.app.routes.calls import BOTH, speak


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"text": ["a", "b"]}, "text"),
        ({"text": "a", "seed": "1.5"}, "seed"),
        ({"text": "a", "seed": "many"}, "seed"),
        ({"text": "a", "nonsense": "1"}, "nonsense"),
        ({"text": b"a file"}, "text"),
    ],
)
@BOTH
def test_wrong_forms(
    client: FlaskClient, path: str, clip_hex: str, form: dict[str, Any], field: str
) -> None:
    files = {n: (io.BytesIO(v), "f") for n, v in form.items() if isinstance(v, bytes)}
    data = {"spk_audio": clip_hex, **form, **files}
    answer = client.post(path, data=data, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert field in answer.get_json()["errors"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": 5}, "text"),
        ({"text": None}, "text"),
        ({"text": "x" * 5001}, "text"),
        ({"text": "lone \ud800"}, "text"),
        ({"text": "[silent]"}, "text"),
        ({"spk_audio": None}, "spk_audio"),
        ({"spk_audio": 1}, "spk_audio"),
        ({"emo_alpha": 1.01}, "emo_alpha"),
        ({"emo_alpha": -0.1}, "emo_alpha"),
        ({"emo_alpha": True}, "emo_alpha"),
        ({"emo_alpha": "0.5"}, "emo_alpha"),
        ({"emo_alpha": None}, "emo_alpha"),
        ({"emo_vector": [0.1] * 7}, "emo_vector"),
        ({"emo_vector": [0.1] * 7 + [1.3]}, "emo_vector"),
        ({"emo_vector": [0.1] * 8, "emo_audio": "00" * 60}, "emo_vector"),
        ({"emo_text": "sad"}, "emo_text"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"pauses": None}, "pauses"),
        ({"pauses": 1}, "pauses"),
        ({"pauses": "true"}, "pauses"),
        ({"speed": 0.49}, "speed"),
        ({"speed": 2.01}, "speed"),
        ({"speed": "1"}, "speed"),
        ({"interval_silence": 10_001}, "interval_silence"),
        ({"max_text_tokens_per_segment": 3}, "max_text_tokens_per_segment"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": 1e-39}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"num_beams": 0}, "num_beams"),
        ({"num_beams": 17}, "num_beams"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"repetition_penalty": 1e-39}, "repetition_penalty"),
        ({"max_mel_tokens": 1816}, "max_mel_tokens"),
        ({"format": "aac"}, "format"),
        ({"unknown": 1}, "unknown"),
    ],
)
@BOTH
def test_validation(
    client: FlaskClient, path: str, clip_hex: str, fields: dict[str, Any], field: str
) -> None:
    answer = speak(client, clip_hex, path, **fields)
    body = answer.get_json()
    assert answer.status_code == 422
    assert (body["error"], body["detail"]) == ("validation_error", "Validation failed")
    assert field in body["errors"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"null",
        b'{"text": "a", "spk_audio": "b", "emo_alpha": NaN}',
        b'{"text": "a", "spk_audio": "b", "emo_alpha": 1e999}',
        b"[" * 100_000,
    ],
)
@BOTH
def test_broken_bodies_are_validation_errors(client: FlaskClient, path: str, body: bytes) -> None:
    answer = client.post(path, data=body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.get_json()["detail"] == "Validation failed"
    assert answer.get_json()["errors"]


@pytest.mark.parametrize(
    "audio",
    [
        "",
        "voice.wav",
        "/etc/passwd",
        "file:///etc/passwd",
        "00" * 50,
        "0" * 103,
        "zz" * 60,
        "00" * 60,
        "http://10.0.0.1/a.wav",
        "http://[::1]/a.wav",
        "data:audio/wav;base64,####",
        wave_bytes(0.01).hex(),
    ],
)
@BOTH
def test_bad_audio(client: FlaskClient, path: str, clip_hex: str, audio: str) -> None:
    answer = speak(client, audio, path)
    body = answer.get_json()
    assert answer.status_code == 400
    assert (body["error"], body["detail"]) == ("invalid_audio", "Invalid audio input format")
    assert body["errors"]["spk_audio"]
    assert body["codes"]["spk_audio"] in set(Code)
    assert "10.0.0.1" not in answer.text
    answer = speak(client, clip_hex, path, emo_audio=audio)
    assert answer.status_code == 400
    assert list(answer.get_json()["errors"]) == ["emo_audio"]


@BOTH
def test_a_bad_upload(client: FlaskClient, path: str) -> None:
    form = {"text": "a", "spk_audio": (io.BytesIO(b"<html>"), "voice.wav")}
    assert client.post(path, data=form).status_code == 400


@BOTH
def test_a_failed_synthesis_tells_nothing(client: FlaskClient, path: str, clip_hex: str) -> None:
    answer = speak(client, clip_hex, path, text="[fail]")
    assert answer.status_code == 500
    body = answer.get_json()
    assert (body["error"], body["detail"]) == ("inference_failed", "TTS inference failed")
    assert set(body) == {"error", "detail", "request_id"}


@BOTH
def test_the_deadline(make_app: AppMaker, path: str, clip_hex: str) -> None:
    client = make_app(request_seconds=0.2).test_client()
    answer = speak(client, clip_hex, path, text="[slow 20]")
    assert answer.status_code == 500
    assert answer.get_json()["error"] == "deadline_exceeded"
    assert answer.get_json()["detail"] == "TTS inference failed"


@BOTH
def test_before_the_model_is_loaded(make_app: AppMaker, path: str, clip_hex: str) -> None:
    client = make_app(start=False).test_client()
    answer = speak(client, clip_hex, path)
    assert answer.status_code == 503
    assert answer.get_json()["detail"] == "Model not loaded"
    assert answer.headers["Retry-After"] == "5"


def test_the_limit_of_the_text_is_a_setting(make_app: AppMaker, clip_hex: str) -> None:
    client = make_app(max_text_chars=4).test_client()
    assert speak(client, clip_hex, text="1234").status_code == 200
    assert speak(client, clip_hex, text="12345").status_code == 422


@BOTH
def test_other_content_types(client: FlaskClient, path: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        answer = client.post(path, data="text=a", content_type=kind)
        assert answer.status_code == 415
        assert answer.get_json()["error"] == "unsupported_media_type"


def test_a_form_that_is_not_utf8(client: FlaskClient, clip_hex: str) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
        + "今天有3个苹果".encode("gbk")
        + b'\r\n--x\r\nContent-Disposition: form-data; name="spk_audio"\r\n\r\n'
        + clip_hex.encode()
        + b"\r\n--x--\r\n"
    )
    answer = client.post("/tts", data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {"text": ["The text is not UTF-8."]}


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"text": "[silent]"}, {"text": "nothing_to_speak"}),
        ({"emo_text": "Glad."}, {"emo_text": "emo_text_unavailable"}),
        ({"emo_audio": wave_bytes(61.0).hex()}, {"emo_audio": "too_long"}),
    ],
)
def test_fields_that_are_refused_have_codes(
    client: FlaskClient, clip_hex: str, fields: dict[str, str], codes: dict[str, str]
) -> None:
    body = speak(client, clip_hex, **fields).get_json()
    assert body["codes"] == codes
    assert list(body["errors"]) == list(codes)


def test_what_has_no_code_brings_none(client: FlaskClient, clip_hex: str) -> None:
    assert "codes" not in speak(client, clip_hex, speed=7).get_json()


def test_a_deadline_says_so(make_app: AppMaker, clip_hex: str) -> None:
    client = make_app(request_seconds=0.2).test_client()
    answer = speak(client, clip_hex, text="[slow 20]")
    assert "INDEXTTS_REQUEST_SECONDS" in answer.get_json()["errors"]["text"][0]


@pytest.mark.slow
def test_what_cannot_be_done_in_time_is_said_beforehand(make_app: AppMaker, clip_hex: str) -> None:
    client = make_app(request_seconds=3.0).test_client()
    long = "\n".join(["x" * 190] * 25)  # 50 s of sound
    assert speak(client, clip_hex, text=long).status_code == 200
    # From now on the engine is known to need ten seconds for a second of sound.
    assert speak(client, clip_hex, text="[slow 1.6]").status_code == 200
    for _ in range(12):
        speak(client, clip_hex, text="[slow 0.5]")
    answer = speak(client, clip_hex, text=long)
    assert answer.status_code == 422
    assert "can be spoken in one request" in answer.get_json()["errors"]["_schema"][0]
    assert answer.get_json()["codes"] == {"_schema": "speech_too_long"}
    assert speak(client, clip_hex).status_code == 200
