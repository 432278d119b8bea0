"""``/v1/audio/voices``: listing, hearing, adding and removing voices."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.app.conftest import EXAMPLES, AppMaker, wave_bytes
from tests.app.routes.voices.calls import VOICES, in_format, says, upload
from tests.app.voices.test_store import listing

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


def test_notes_have_one_kind_of_line_end_and_no_blanks_around_them(
    client: FlaskClient, clip: bytes
) -> None:
    """As browsers send what was typed into several lines, and as old programs do."""
    notes = {"consent": " Anna said yes,\r\non paper \r\n", "description": "Calm\r\rLow\n"}
    told = upload(client, clip, **notes).get_json()
    assert (told["consent"], told["description"]) == ("Anna said yes,\non paper", "Calm\n\nLow")


def test_the_length_of_a_note_counts_a_line_end_once(client: FlaskClient, clip: bytes) -> None:
    """As the field of a page does that lets nobody type more."""
    assert upload(client, clip, consent="x\r\n" * 249 + "xx").status_code == 201
    assert upload(client, clip, name="b", consent="x\r\n" * 249 + "xxx").status_code == 400


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


def test_fields_of_other_servers_are_passed_over(client: FlaskClient, clip: bytes) -> None:
    assert upload(client, clip, ref_text="what is said", speaker_description="x").status_code == 201


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
