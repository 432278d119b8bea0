"""What ``POST /v1/audio/speech`` refuses, and how it says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.app.conftest import AppMaker
from tests.app.routes.openai.calls import PATH, error_of, speak


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": 3}, "input"),
        ({"input": "[silent]"}, "input"),
        ({"voice": 3}, "voice"),
        ({"voice": {"name": "a"}}, "voice"),
        ({"voice": "v" * 300}, "voice"),
        ({"voice": "../secret"}, "voice"),
        ({"response_format": "ogg"}, "response_format"),
        ({"stream_format": "json"}, "stream_format"),
        ({"speed": 5}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"sample_rate": 11111}, "sample_rate"),
        ({"sample_rate": 16000, "response_format": "opus"}, "sample_rate"),
        ({"sample_rate": 1, "response_format": "wav"}, "sample_rate"),
        ({"max_new_tokens": 0}, "max_mel_tokens"),
        ({"seed": -1}, "seed"),
        ({"extra_params": "a"}, "extra_params"),
        ({"emo_vector": [1]}, "emo_vector"),
        ({"emo_vector": [0] * 8, "emo_text": "sad"}, "emo_text"),
        ({"emo_text": "sad"}, "emo_text"),
        ({"use_emo_text": True}, "emo_text"),
        ({"ref_audio": "00" * 60}, "ref_audio"),
        ({"emo_audio": "nonsense"}, "emo_audio"),
    ],
)
def test_refusals_name_the_field(client: FlaskClient, fields: dict[str, Any], param: str) -> None:
    answer = speak(client, **fields)
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]


def test_a_text_that_is_too_long(make_app: AppMaker) -> None:
    client = make_app(max_text_chars=10).test_client()
    answer = speak(client, input="a" * 11)
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["param"], error["code"]) == ("input", "string_above_max_length")
    assert "at most 10" in error["message"]


def test_an_unknown_voice_lists_the_names(client: FlaskClient) -> None:
    answer = speak(client, voice="nobody")
    assert answer.status_code == 404
    error = error_of(answer)
    assert (error["param"], error["code"]) == ("voice", "unknown_voice")
    assert "en_female" in error["message"]


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b'{"input": "hi"}', "application/json; charset=utf-8", 200),
        (b'{"input": "hi"}', None, 200),
        (b'{"input": "hi"}', "text/plain", 415),
        (b"input=hi", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"", None, 400),
        (b"[]", "application/json", 400),
        (b'{"input": "hi", "x": [' + b"[]," * 12_000 + b"0]}", "application/json", 400),
        (b'{"input": "\\ud800"}', "application/json", 400),
        (b"[" * 5000, "application/json", 400),
    ],
)
def test_bodies(client: FlaskClient, data: bytes, kind: str | None, status: int) -> None:
    answer = client.post(PATH, data=data, content_type=kind, buffered=True)
    assert answer.status_code == status
    if status != 200:
        assert error_of(answer)["type"] == "invalid_request_error"


def test_keys(make_app: AppMaker) -> None:
    client = make_app(api_keys=("right",)).test_client()
    refused = speak(client)
    assert refused.status_code == 401
    error = error_of(refused)
    assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
    headers = {"Authorization": "Bearer right"}
    assert (
        client.post(PATH, json={"input": "hi"}, headers=headers, buffered=True).status_code == 200
    )
    assert client.get("/v1/models").status_code == 401


def test_any_key_will_do_where_there_are_none(client: FlaskClient) -> None:
    headers = {"Authorization": "Bearer sk-anything"}
    assert (
        client.post(PATH, json={"input": "hi"}, headers=headers, buffered=True).status_code == 200
    )


def test_the_rate_limit_counts_it(make_app: AppMaker) -> None:
    client = make_app(rate_limit=1, rate_burst=1).test_client()
    assert speak(client).status_code == 200
    refused = speak(client)
    assert (refused.status_code, error_of(refused)["type"]) == (429, "rate_limit_error")
    assert int(refused.headers["Retry-After"]) > 0
    assert "X-Should-Retry" not in refused.headers  # waiting heals it


def test_without_a_model(make_app: AppMaker) -> None:
    answer = speak(make_app(start=False).test_client())
    assert (answer.status_code, error_of(answer)["type"]) == (503, "server_error")
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "again"),
    [
        ({"input": "[fail]"}, 500, "inference_failed", None),
        ({"input": "[fail]", "seed": 1}, 500, "inference_failed", "false"),
        ({"input": "[slow 60]"}, 500, "deadline_exceeded", "false"),
        ({"ref_audio": "http://127.0.0.1:{port}/a.wav"}, 408, "download_timeout", "false"),
    ],
)
def test_what_a_repetition_does_not_heal_is_not_to_be_repeated(
    make_app: AppMaker,
    silent_port: int,
    fields: dict[str, Any],
    status: int,
    code: str,
    again: str | None,
) -> None:
    app = make_app(request_seconds=1.0, fetch_seconds=0.3, fetch_ports=(str(silent_port),))
    if "ref_audio" in fields:
        fields = {"ref_audio": fields["ref_audio"].format(port=silent_port)}
    for form in ("mp3", "wav"):
        answer = speak(app.test_client(), response_format=form, **fields)
        assert (answer.status_code, error_of(answer)["code"]) == (status, code)
        assert answer.headers.get("X-Should-Retry") == again
