"""Who may not change voices, and what is no voice."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient

from tests.app.conftest import EXAMPLES, AppMaker, wave_bytes
from tests.app.routes.voices.calls import VOICES, says, upload
from tests.app.voices.test_store import listing


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name", "empty"]),
        ({"name": "../x"}, ["name", "letters, digits"]),
        ({"consent": None}, ["consent"]),
        ({"consent": ""}, ["consent"]),
        ({"consent": "  "}, ["consent"]),
        ({"consent": "\r\n\u3000"}, ["consent"]),
        ({"consent": "x" * 501}, ["consent", "500"]),
        ({"consent": "a\x00b"}, ["consent"]),
        ({"consent": "a\ufffdb"}, ["consent"]),  # what bytes that are no UTF-8 become
        ({"description": "x" * 501}, ["description", "500"]),
        ({"language": "not a tag"}, ["language"]),
        ({"language": "en\n"}, ["language"]),
        ({"audio_sample": "text, no file"}, ["audio_sample", "as a file"]),
    ],
)
def test_fields_that_do_not_fit(
    client: FlaskClient, folder: Path, clip: bytes, fields: dict[str, Any], words: list[str]
) -> None:
    before = listing(folder)
    answer = upload(client, clip, **fields)
    assert answer.status_code == 400
    assert says(answer, *words)
    assert listing(folder) == before


def test_fields_that_are_there_twice(client: FlaskClient, clip: bytes) -> None:
    assert says(upload(client, clip, name=["a", "b"]), "name", "once")
    files = [(io.BytesIO(clip), "a.wav"), (io.BytesIO(clip), "b.wav")]
    assert says(upload(client, clip, audio_sample=files), "audio_sample", "once")


def test_only_forms_are_read(client: FlaskClient) -> None:
    assert client.post(VOICES, json={"name": "anna"}).status_code == 415


SILENCE = np.zeros(8000, dtype=np.float32)


@pytest.mark.parametrize("kind", ["silent", "short", "long", "text", "empty", "cut", "wide"])
def test_clips_are_judged_as_all_are(
    client: FlaskClient, folder: Path, clip: bytes, kind: str
) -> None:
    silent, wide = io.BytesIO(), io.BytesIO()
    soundfile.write(silent, SILENCE, 8000, format="WAV")
    soundfile.write(wide, np.full((8000, 9), 0.5, dtype=np.float32), 8000, format="WAV")
    data = {
        "silent": silent.getvalue(),
        "short": wave_bytes(0.01),
        "long": wave_bytes(61, 8000),
        "text": b"<html>",
        "empty": b"",
        "cut": clip[:30],
        "wide": wide.getvalue(),
    }[kind]
    before = listing(folder)
    answer = upload(client, data)
    assert answer.status_code == 400
    assert says(answer, "audio_sample", "Invalid audio input format")
    assert listing(folder) == before


def test_a_clip_is_bounded(make_app: AppMaker, folder: Path) -> None:
    client = make_app(
        voices_dir=str(folder), voices_write=True, fetch_max_bytes=20_000, max_body_bytes=50_000
    ).test_client()
    assert says(upload(client, wave_bytes(1.0)), "larger than 20000 bytes")
    assert upload(client, wave_bytes(3.0)).status_code == 413


# -- who may ---------------------------------------------------------------------------------------


def test_writing_is_off_unless_it_is_switched_on(
    make_app: AppMaker, folder: Path, clip: bytes
) -> None:
    client = make_app(voices_dir=str(folder)).test_client()
    before = listing(folder)
    assert client.get(VOICES).get_json()["writable"] is False
    for answer in (upload(client, clip), client.delete(f"{VOICES}/en_female")):
        assert answer.status_code == 403
        assert says(answer, "voices_read_only", "INDEXTTS_VOICES_WRITE")
    assert listing(folder) == before


def test_with_keys_every_use_needs_one(make_app: AppMaker, folder: Path, clip: bytes) -> None:
    client = make_app(voices_dir=str(folder), voices_write=True, api_keys=("secret",)).test_client()
    for answer in (
        client.get(VOICES),
        client.get(f"{VOICES}/en_female/sample"),
        upload(client, clip),
        client.delete(f"{VOICES}/en_female"),
    ):
        assert answer.status_code == 401
    key = {"X-API-Key": "secret"}
    assert client.get(VOICES, headers=key).status_code == 200
    assert upload(client, clip, headers=key).status_code == 201
    assert client.delete(f"{VOICES}/anna", headers=key).status_code == 200


def test_uses_count_for_the_rate_limit(make_app: AppMaker) -> None:
    client = make_app(rate_limit=1.0, rate_burst=2).test_client()
    statuses = [
        client.get(path).status_code
        for path in (VOICES, f"{VOICES}/en_male/sample", VOICES, f"{VOICES}/en_male/sample")
    ]
    assert statuses == [200, 200, 429, 429]


@pytest.mark.parametrize(
    ("headers", "settings", "status"),
    [
        ({}, {}, 201),
        ({"Origin": "http://localhost"}, {}, 201),
        ({"Origin": "https://evil.example"}, {}, 403),
        ({"Origin": "null"}, {}, 403),
        ({"Origin": "http://localhost:3000"}, {}, 403),
        ({"Origin": "http://localhost.evil.example"}, {}, 403),
        ({"Origin": "http://[broken"}, {}, 403),
        ({"Origin": "https://tts.example:8443", "Sec-Fetch-Site": "same-origin"}, {}, 201),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, {}, 403),
        ({"Origin": "https://a.example"}, {"cors_origins": ("https://a.example",)}, 201),
        ({"Origin": "https://b.example"}, {"cors_origins": ("https://a.example",)}, 403),
        ({"Origin": "https://b.example"}, {"cors_origins": ("*",)}, 201),
    ],
)
def test_pages_of_other_sites_change_nothing(
    make_app: AppMaker,
    folder: Path,
    clip: bytes,
    headers: dict[str, str],
    settings: dict[str, Any],
    status: int,
) -> None:
    client = make_app(voices_dir=str(folder), voices_write=True, **settings).test_client()
    assert upload(client, clip, headers=headers).status_code == status
    removed = client.delete(f"{VOICES}/en_male", headers=headers).status_code
    assert removed == (200 if status == 201 else 403)


# -- the disk --------------------------------------------------------------------------------------


def failing(number: int) -> Any:
    def fail(*_: object) -> None:
        raise OSError(number, "as the kernel says it", "/secret/path")

    return fail


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "voice_storage_full"),
        (errno.EDQUOT, 507, "voice_storage_full"),
        (errno.EROFS, 500, "voice_storage_failed"),
        (errno.EACCES, 500, "voice_storage_failed"),
        (errno.EIO, 500, "voice_storage_failed"),
    ],
)
def test_a_disk_that_does_not_take_it(
    client: FlaskClient,
    folder: Path,
    clip: bytes,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    status: int,
    code: str,
) -> None:
    before = listing(folder)
    monkeypatch.setattr("app.voices.writing.os.fsync", failing(number))
    answer = upload(client, clip)
    assert answer.status_code == status
    assert says(answer, code)
    assert not says(answer, "secret")
    assert not says(answer, str(folder))
    assert listing(folder) == before
    monkeypatch.undo()
    assert upload(client, clip).status_code == 201


def test_voices_of_the_program_itself_are_never_changed(
    make_app: AppMaker, clip: bytes, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Even by root, who could: the folder is the one that is part of the checkout."""
    before = listing(EXAMPLES)
    client = make_app(voices_dir="/proc/voices", voices_write=True).test_client()
    assert "No voices can be added" in caplog.text
    assert "en_female" in client.get(VOICES).get_json()["voices"]
    assert client.get(VOICES).get_json()["writable"] is False
    for answer in (upload(client, clip), client.delete(f"{VOICES}/en_female")):
        assert answer.status_code == 500
        assert says(answer, "voice_storage_failed", "cannot be written to")
    assert listing(EXAMPLES) == before
