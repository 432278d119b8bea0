"""Bodies that are not read: the error names the cause, on every route that takes a body."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.app.conftest import AppMaker

SPEECH = "/v1/audio/speech"
VOICES = "/v1/audio/voices"
FORM = "multipart/form-data"
DIGITS = "9" * 5000


@pytest.fixture
def client(make_app: AppMaker, tmp_path: Path) -> FlaskClient:
    app = make_app(
        start=False, voices_dir=str(tmp_path / "voices"), voices_write=True, max_body_bytes=500_000
    )
    return app.test_client()


def told(answer: TestResponse) -> tuple[int, str, str]:
    """Status, code and the sentence for people, in either shape of errors."""
    body = answer.get_json()
    if isinstance(body["error"], dict):
        return answer.status_code, body["error"]["code"], body["error"]["message"]
    sentences = [body["detail"], *(str(part) for part in body.get("errors", {}).values())]
    return answer.status_code, body["error"], " ".join(sentences)


@pytest.mark.parametrize("path", ["/tts", "/tts/stream", SPEECH, VOICES])
def test_a_compressed_body_is_called_so(client: FlaskClient, path: str) -> None:
    kind = FORM if path == VOICES else "application/json"
    headers = {"Content-Encoding": "gzip"}
    answer = client.post(path, data=b"\x1f\x8b", content_type=kind, headers=headers)
    status, code, sentence = told(answer)
    assert (status, code) == (415, "unsupported_media_type")
    assert "Compressed bodies are not read" in sentence
    assert "Content-Encoding" in sentence


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/tts", "Send application/json or multipart/form-data"),
        ("/tts/stream", "Send application/json or multipart/form-data"),
        (SPEECH, "Send application/json"),
        (VOICES, "Send multipart/form-data"),
    ],
)
def test_of_a_wrong_type_the_right_ones_are_told(
    client: FlaskClient, path: str, sentence: str
) -> None:
    answer = client.post(path, data="a", content_type="text/plain")
    assert told(answer) == (415, "unsupported_media_type", sentence)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f'{{"seed": {DIGITS}}}', f"A number has more than {sys.get_int_max_str_digits()} digits."),
        (f'{{"seed": -{DIGITS}}}', "A number has more than"),
        (f'{{"emo_vector": [1, {DIGITS}]}}', "A number has more than"),
        ("[" * 5000 + "]" * 5000, "The JSON is nested too deeply."),
        ('{"seed": 1', "The body is not valid JSON."),
        ('{"seed": 01}', "The body is not valid JSON."),
        (b'{"text": "\xff"}', "The body is not valid JSON."),
    ],
    ids=["digits", "negative", "list", "nested", "cut", "zero", "utf8"],
)
@pytest.mark.parametrize("path", ["/tts", "/tts/stream", SPEECH])
def test_of_json_that_is_not_read_the_cause_is_told(
    client: FlaskClient, path: str, body: str | bytes, words: str
) -> None:
    status, code, sentence = told(client.post(path, data=body, content_type="application/json"))
    assert (status, code) == (400 if path == SPEECH else 422, "validation_error")
    assert words in sentence


@pytest.mark.parametrize("path", ["/tts", "/tts/stream"])
def test_a_number_of_a_form_may_be_too_long_as_well(client: FlaskClient, path: str) -> None:
    for name, text in (("seed", DIGITS), ("emo_vector", f"0,{DIGITS}")):
        form = {"text": "a", "spk_audio": "voice:a", name: text}
        answer = client.post(path, data=form, content_type=FORM)
        assert answer.status_code == 422
        (sentence,) = answer.get_json()["errors"][name]
        assert "A number has more than" in sentence


def multipart(fields: int, size: int = 1) -> bytes:
    part = '--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n%s\r\n'
    return ("".join(part % (n, "a" * size) for n in range(fields)) + "--x--\r\n").encode()


def send(client: FlaskClient, path: str, data: bytes, chunked: bool) -> TestResponse:
    """Send a form; in chunks its length is not known beforehand."""
    kind = f"{FORM}; boundary=x"
    if not chunked:
        return client.post(path, data=data, content_type=kind)
    environ = {"wsgi.input_terminated": True}
    stream = io.BytesIO(data)
    return client.post(path, input_stream=stream, content_type=kind, environ_overrides=environ)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("path", ["/tts", "/tts/stream", VOICES])
def test_a_form_of_many_small_fields_is_not_called_large(
    client: FlaskClient, path: str, chunked: bool
) -> None:
    status, code, sentence = told(send(client, path, multipart(70), chunked))
    assert (status, code) == (400 if path == VOICES else 422, "validation_error")
    assert "more than 64 fields" in sentence
    status, code, sentence = told(send(client, path, multipart(64), chunked))
    assert "more than" not in sentence


@pytest.mark.parametrize(
    ("data", "chunked"),
    [
        (multipart(1, 600_000), False),
        (multipart(1, 600_000), True),
        (multipart(60, 10_000), True),
        (multipart(70, 10_000), False),
    ],
    ids=["one", "one in chunks", "some in chunks", "many"],
)
@pytest.mark.parametrize("path", ["/tts", "/tts/stream", VOICES])
def test_a_large_form_is_called_large(
    client: FlaskClient, path: str, data: bytes, chunked: bool
) -> None:
    answer = send(client, path, data, chunked)
    assert told(answer) == (413, "body_too_large", "The request body is too large")


@pytest.mark.parametrize("path", ["/tts", "/tts/stream", VOICES])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (multipart(3), FORM),
        (multipart(3), f"{FORM}; boundary=y"),
        (multipart(3)[:-20], f"{FORM}; boundary=x"),
        (b"", f"{FORM}; boundary=x"),
    ],
    ids=["no boundary", "another boundary", "cut off", "empty"],
)
def test_a_form_that_cannot_be_parsed_is_not_called_incomplete(
    client: FlaskClient, path: str, data: bytes, kind: str
) -> None:
    status, code, sentence = told(client.post(path, data=data, content_type=kind))
    assert (status, code) == (400 if path == VOICES else 422, "validation_error")
    assert "No fields were found" in sentence
    assert "boundary" in sentence
