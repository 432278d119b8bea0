"""Stored voices in the fields of /tts; the store itself is tested in tests/app/voices."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.services import services_of
from app.settings import Settings, SettingsError, load_settings
from tests.app.conftest import EXAMPLES, STAND_IN, AppMaker


def speak(client: FlaskClient, **fields: object) -> tuple[int, dict[str, object]]:
    answer = client.post("/tts", json={"text": "hello", **fields})
    return answer.status_code, answer.get_json()


@pytest.mark.parametrize("name", ["en_female", "EN_Male", "default", "alloy"])
def test_a_stored_voice_speaks(client: FlaskClient, name: str) -> None:
    status, body = speak(client, spk_audio=f"voice:{name}", emo_audio="voice:emotion_calm")
    assert status == 200
    assert body["audio_length"]


@pytest.mark.parametrize("field", ["spk_audio", "emo_audio"])
def test_an_unknown_voice(client: FlaskClient, field: str) -> None:
    fields = {"spk_audio": "voice:en_female", field: "voice:nobody"}
    status, body = speak(client, **fields)
    assert (status, body["error"], body["detail"]) == (
        404,
        "unknown_voice",
        "Unknown voice",
    )
    errors = body["errors"]
    assert isinstance(errors, dict)
    assert list(errors) == [field]
    assert errors[field][0].startswith("There is no voice 'nobody'; there are ")
    assert "en_female" in errors[field][0]


@pytest.mark.parametrize("name", ["../en_female", "", "a" * 1_000_000, "en\x00female"])
def test_what_is_no_name(client: FlaskClient, name: str) -> None:
    status, body = speak(client, spk_audio=f"voice:{name}")
    assert (status, body["error"]) == (422, "validation_error")
    assert list(body["errors"]) == ["spk_audio"]  # type: ignore[call-overload]
    assert len(str(body)) < 1000


def test_the_fallback(make_app: AppMaker) -> None:
    client = make_app(voice_fallback="default").test_client()
    assert speak(client, spk_audio="voice:nobody")[0] == 200


def test_a_fallback_that_is_no_name_ends_the_start() -> None:
    assert load_settings({"INDEXTTS_VOICE_FALLBACK": "张三-2"}).voice_fallback == "张三-2"
    with pytest.raises(SettingsError, match=r"INDEXTTS_VOICE_FALLBACK: '\.\./x' cannot"):
        load_settings({"INDEXTTS_VOICE_FALLBACK": "../x"})


def test_a_clip_that_cannot_be_used(make_app: AppMaker, tmp_path: Path) -> None:
    (tmp_path / "broken.flac").write_bytes(b"fLaC and no more")
    client = make_app(voices_dir=str(tmp_path)).test_client()
    status, body = speak(client, spk_audio="voice:broken")
    assert (status, body["detail"]) == (400, "Invalid audio input format")


def test_a_folder_that_cannot_be_read(make_app: AppMaker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    client = make_app(voices_dir=str(tmp_path / "file")).test_client()
    status, body = speak(client, spk_audio="voice:en_female")
    assert (status, body["error"]) == (500, "voice_storage_failed")
    assert "file" not in str(body["detail"])


def test_an_empty_folder_is_filled_at_the_start(tmp_path: Path) -> None:
    app = create_app(Settings(engine=STAND_IN, voices_dir=str(tmp_path / "voices")))
    assert services_of(app).voices.names() == [
        path.stem for path in sorted(EXAMPLES.glob("*.flac"))
    ]
