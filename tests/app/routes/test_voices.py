"""``/v1/audio/voices``: listing, hearing, adding and removing voices."""

from __future__ import annotations

import errno
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.app.conftest import EXAMPLES, AppMaker, wave_bytes
from tests.app.voices.test_store import listing

VOICES = "/v1/audio/voices"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "voices"


@pytest.fixture
def client(make_app: AppMaker, folder: Path) -> FlaskClient:
    return make_app(voices_dir=str(folder), voices_write=True).test_client()


def upload(
    client: FlaskClient, clip: bytes, headers: dict[str, str] | None = None, **fields: Any
) -> TestResponse:
    form = {"name": "anna", "consent": "Anna said yes", **fields}
    data = {name: value for name, value in form.items() if value is not None}
    data.setdefault("audio_sample", (io.BytesIO(clip), "clip.bin"))
    return client.post(VOICES, data=data, headers=headers, content_type="multipart/form-data")


def says(answer: TestResponse, *words: str) -> bool:
    """Whether an error's body holds these words."""
    return all(word in answer.get_data(as_text=True) for word in words)


def in_format(name: str, clip: bytes) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(clip), dtype="float32")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=name)
    return buffer.getvalue()


# -- listing and hearing ---------------------------------------------------------------------------


def test_the_list(client: FlaskClient) -> None:
    answer = client.get(VOICES)
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["voices"] == sorted(path.stem for path in EXAMPLES.glob("*.flac"))
    assert [voice["name"] for voice in body["details"]] == body["voices"]
    assert body["aliases"]["alloy"] == body["default"] == "en_female"
    assert body["writable"] is True
    (female,) = [voice for voice in body["details"] if voice["name"] == "en_female"]
    assert female == {
        **json.loads((EXAMPLES / "en_female.json").read_text(encoding="utf-8")),
        "aliases": ["alloy", "coral", "default", "nova", "shimmer"],
        "preview": "/v1/audio/voices/en_female/sample",
    }


def test_the_preview_is_the_clip(client: FlaskClient) -> None:
    for voice in client.get(VOICES).get_json()["details"]:
        answer = client.get(voice["preview"])
        assert answer.status_code == 200
        assert hashlib.sha256(answer.data).hexdigest() == voice["sha256"]
        assert answer.headers["Content-Type"] == "audio/flac"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert (
            answer.headers["Content-Disposition"]
            == f"inline; filename*=UTF-8''{voice['name']}.flac"
        )


def test_aliases_can_be_heard(client: FlaskClient) -> None:
    assert (
        client.get(f"{VOICES}/alloy/sample").data == client.get(f"{VOICES}/en_female/sample").data
    )


def test_a_preview_of_nobody(client: FlaskClient) -> None:
    answer = client.get(f"{VOICES}/nobody/sample")
    assert answer.status_code == 404
    assert says(answer, "unknown_voice", "no voice 'nobody'", "en_female")


def test_the_type_is_that_of_the_content(client: FlaskClient, folder: Path, clip: bytes) -> None:
    """Not of the name: a page in a clip's clothes must stay a heap of bytes."""
    (folder / "page.wav").write_bytes(b"<html><script>alert(1)</script>")
    (folder / "wave.flac").write_bytes(clip)
    assert client.get(f"{VOICES}/page/sample").content_type == "application/octet-stream"
    assert client.get(f"{VOICES}/wave/sample").content_type == "audio/wav"


def test_a_clip_that_is_too_large_is_not_cut_off(
    make_app: AppMaker, tmp_path: Path, clip: bytes
) -> None:
    (tmp_path / "large.wav").write_bytes(clip)
    client = make_app(voices_dir=str(tmp_path), fetch_max_bytes=len(clip) - 1).test_client()
    answer = client.get(f"{VOICES}/large/sample")
    assert answer.status_code == 400
    assert says(answer, "larger than")


def test_clips_that_were_put_into_the_folder_are_listed(
    client: FlaskClient, folder: Path, clip: bytes
) -> None:
    (folder / "by-hand.wav").write_bytes(clip)
    body = client.get(VOICES).get_json()
    assert "by-hand" in body["voices"]
    (found,) = [voice for voice in body["details"] if voice["name"] == "by-hand"]
    assert (found["language"], found["consent"], found["sha256"]) == ("", "", "")


def test_an_empty_folder(make_app: AppMaker, tmp_path: Path) -> None:
    (tmp_path / "aliases.yaml").write_text("alloy: nobody")
    client = make_app(voices_dir=str(tmp_path)).test_client()
    body = client.get(VOICES).get_json()
    assert body == {
        "voices": [],
        "details": [],
        "aliases": {},
        "default": None,
        "writable": False,
    }


# -- adding ----------------------------------------------------------------------------------------


def test_a_voice_is_added_heard_spoken_and_removed(
    client: FlaskClient, folder: Path, clip: bytes
) -> None:
    answer = upload(client, clip, name="张三", language="zh-CN", description="Calm\n(test)")
    assert answer.status_code == 201
    told = {
        "name": "张三",
        "language": "zh-CN",
        "description": "Calm\n(test)",
        "purpose": "",
        "consent": "Anna said yes",
        "sha256": hashlib.sha256(clip).hexdigest(),
    }
    preview = "/v1/audio/voices/%E5%BC%A0%E4%B8%89/sample"
    assert answer.get_json() == {**told, "aliases": [], "preview": preview}
    assert json.loads((folder / "张三.json").read_text(encoding="utf-8")) == told
    assert (folder / "张三.wav").read_bytes() == clip
    assert answer.get_json() in client.get(VOICES).get_json()["details"]
    heard = client.get(preview)
    assert heard.data == clip
    assert "filename*=UTF-8''%E5%BC%A0%E4%B8%89.wav" in heard.headers["Content-Disposition"]
    spoken = client.post("/tts", json={"text": "hello", "spk_audio": "voice:张三"})
    assert spoken.status_code == 200
    removed = client.delete(f"{VOICES}/张三")
    assert (removed.status_code, removed.get_json()) == (200, {"name": "张三", "deleted": True})
    assert "张三" not in client.get(VOICES).get_json()["voices"]
    assert client.post("/tts", json={"text": "hello", "spk_audio": "voice:张三"}).status_code == 404
    assert not list(folder.glob("张三*"))
    assert not list(folder.glob(".part-*"))


@pytest.mark.parametrize(
    ("form", "suffix", "mime"),
    [
        ("FLAC", ".flac", "audio/flac"),
        ("OGG", ".ogg", "audio/ogg"),
        ("MP3", ".mp3", "audio/mpeg"),
        ("AIFF", ".aiff", "audio/aiff"),
    ],
)
def test_formats_are_told_by_content(
    client: FlaskClient, folder: Path, clip: bytes, form: str, suffix: str, mime: str
) -> None:
    data = in_format(form, wave_bytes(1.0))
    assert upload(client, data).status_code == 201
    assert (folder / f"anna{suffix}").read_bytes() == data
    assert client.get(f"{VOICES}/anna/sample").content_type == mime


@pytest.mark.parametrize("name", ["anna", "ANNA", "en_female", "alloy", "Default"])
def test_a_name_that_is_taken(client: FlaskClient, folder: Path, clip: bytes, name: str) -> None:
    assert upload(client, clip).status_code == 201
    before = listing(folder)
    answer = upload(client, wave_bytes(0.7), name=name)
    assert answer.status_code == 409
    assert says(answer, "voice_exists")
    assert listing(folder) == before


def test_an_alias_that_leads_nowhere_is_free(
    make_app: AppMaker, tmp_path: Path, clip: bytes
) -> None:
    (tmp_path / "aliases.yaml").write_text("alloy: nobody")
    client = make_app(voices_dir=str(tmp_path), voices_write=True).test_client()
    assert upload(client, clip, name="alloy").status_code == 201
    assert client.get(VOICES).get_json()["voices"] == ["alloy"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name", "empty"]),
        ({"name": "../x"}, ["name", "letters, digits"]),
        ({"consent": None}, ["consent"]),
        ({"consent": ""}, ["consent"]),
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


def test_fields_of_other_servers_are_passed_over(client: FlaskClient, clip: bytes) -> None:
    assert upload(client, clip, ref_text="what is said", speaker_description="x").status_code == 201


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


def test_cors_lets_listed_pages_remove(make_app: AppMaker) -> None:
    client = make_app(cors_origins=("https://a.example",)).test_client()
    answer = client.options(f"{VOICES}/anna", headers={"Origin": "https://a.example"})
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]


# -- removing --------------------------------------------------------------------------------------


def test_an_alias_cannot_be_removed(client: FlaskClient, folder: Path) -> None:
    before = listing(folder)
    for name in ("alloy", "default", "nobody"):
        answer = client.delete(f"{VOICES}/{name}")
        assert answer.status_code == 404
        assert says(answer, "unknown_voice")
    assert listing(folder) == before


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
