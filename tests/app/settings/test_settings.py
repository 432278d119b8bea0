from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app import create_app
from app.settings import Settings, SettingsError
from app.settings.source import (
    fields,
    load_for_start,
    load_settings,
    markdown_table,
    read_env_file,
    redacted,
    unknown_variables,
)
from tests.app.conftest import BASE

ROOT = Path(__file__).resolve().parents[3]


def test_defaults_need_no_environment() -> None:
    assert load_settings({}) == Settings()


def test_values_are_parsed_by_type() -> None:
    settings = load_settings(
        {
            "INDEXTTS_PORT": " 9000 ",
            "INDEXTTS_REQUEST_SECONDS": "2.5",
            "INDEXTTS_DOCS": "No",
            "INDEXTTS_API_KEYS": "one, two,,",
            "INDEXTTS_MODEL_DIR": "/srv/model",
            "INDEXTTS_QUEUE_SIZE": "",
            "OTHER": "x",
        }
    )
    assert settings == Settings(
        port=9000,
        request_seconds=2.5,
        docs=False,
        api_keys=("one", "two"),
        model_dir="/srv/model",
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "expected a whole number"),
        ("PORT", "70000", "0 to 65535"),
        ("WORKERS", "0", "1 to 64"),
        ("REQUEST_SECONDS", "nan", "0.1 to 86400"),
        ("REQUEST_SECONDS", "inf", "0.1 to 86400"),
        ("DEVICE", "gpu", "'gpu' cannot be used; use auto, cpu or cuda"),
        ("DEVICE", "cuda:", "use auto, cpu or cuda"),
        ("DEVICE", "cuda:-1", "use auto, cpu or cuda"),
        ("GPUS", "0,first", "'first' cannot be used; use numbers, or UUIDs"),
        ("HOST", "http://localhost", "a name or an address"),
        ("HOST", "0.0.0.0:8000", "a name or an address"),
        ("BIND", "127.0.0.1", "host:port, unix:/path"),
        ("BIND", "127.0.0.1:99999", "above 65535"),
        ("ENGINE", "module", "use module:factory"),
        ("CORS_ORIGINS", "example.org", "scheme://host"),
        ("CORS_ORIGINS", "https://example.org/page", "without a path"),
        ("REDIS_URL", "secret.example:6379", "this value cannot be used; use redis://"),
        ("API_KEYS", "two words", "this value cannot be used; use ASCII"),
        ("JWT_AUDIENCE", "tts", "need INDEXTTS_JWT_SECRET"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("DOCS", "maybe", "true or false"),
        ("PRECISION", "fp8", "auto, fp32, fp16, bf16"),
        ("FETCH_ALLOW", "10.0.0.0/8,home", "'home' is no network"),
        ("FETCH_PORTS", "80,x", "'x' is no port"),
        ("JWT_SECRET", "short", "32 characters"),
        ("THREADS", "4", "at least 35"),
        ("DEVICE", "cuda:1", "INDEXTTS_GPUS=1"),
    ],
)
def test_wrong_values_are_named(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings({f"INDEXTTS_{name}": value})
    assert f"INDEXTTS_{name}" in str(caught.value)
    assert "secret" not in str(caught.value).replace("INDEXTTS_JWT_SECRET", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEVICE", "cuda:0"),
        ("GPUS", "0,1,GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-GPU-8932f937/1/0"),
        ("HOST", "::1"),
        ("HOST", "[::1]"),
        ("HOST", "tts.example.org"),
        ("HOST", "127.0.0.1"),
        ("BIND", "unix:/run/tts.sock,127.0.0.1:9101,[::1]:80,fd://3,localhost:0"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.example,http://localhost:3000,null"),
        ("REDIS_URL", "rediss://:word@host:6379/0"),
        ("LOG_LEVEL", "INFO"),
        ("PRECISION", "FP32"),
    ],
)
def test_right_values_are_taken(name: str, value: str) -> None:
    load_settings({f"INDEXTTS_{name}": value})


@pytest.mark.parametrize("name", ["INDEXTTS_API_KEYS_FILE", "INDEXTTS_JWT_PUBLIC_KEY_FILE"])
def test_a_file_that_cannot_be_read_ends_the_start(name: str, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    load_for_start({name: str(tmp_path / "there")})
    with pytest.raises(SettingsError, match=f"{name}: cannot read the file"):
        load_for_start({name: str(tmp_path / "absent")})


def test_what_excludes_each_other_is_refused() -> None:
    with pytest.raises(SettingsError, match="fp16 needs a GPU"):
        load_settings({"INDEXTTS_DEVICE": "cpu", "INDEXTTS_PRECISION": "fp16"})


@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_every_number_has_bounds_with_which_the_service_can_be_built(end: str) -> None:
    environ = {
        "INDEXTTS_ENGINE": "tests.app.stand_in_engine:make",
        "INDEXTTS_THREADS": "0",
        "INDEXTTS_VOICES_DIR": BASE.voices_dir,
    }
    for name, kind, info in fields():
        if kind in (int, float) and name != "threads":
            assert info.minimum is not None, name
            assert info.maximum is not None, name
            environ[f"INDEXTTS_{name.upper()}"] = str(getattr(info, end))
    client = create_app(load_settings(environ)).test_client()
    assert client.get("/health/live").status_code == 200


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / "tts.env"
    file.write_text(
        "# comment\n\nexport INDEXTTS_PORT=1111\nINDEXTTS_HOST='0.0.0.0'\nPATH=/evil\n"
        'INDEXTTS_LOG_FORMAT="json"\n'
    )
    settings = load_settings({"INDEXTTS_ENV_FILE": str(file), "INDEXTTS_PORT": "2222"})
    assert (settings.port, settings.host, settings.log_format) == (2222, "0.0.0.0", "json")
    assert "PATH" not in read_env_file(file)


def test_a_byte_order_mark_and_windows_lines_are_no_part_of_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "tts.env"
    file.write_bytes(b"\xef\xbb\xbfINDEXTTS_PORT=8192\r\nINDEXTTS_QUEUE_SIZE=2\r\n")
    settings = load_settings({"INDEXTTS_ENV_FILE": str(file)})
    assert (settings.port, settings.queue_size) == (8192, 2)


def test_a_broken_env_file_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "tts.env"
    file.write_text("INDEXTTS_PORT=1\nnonsense\n")
    with pytest.raises(SettingsError, match="line 2: expected NAME=value"):
        read_env_file(file)
    with pytest.raises(SettingsError, match="cannot read"):
        read_env_file(tmp_path / "absent")


def test_unknown_names_are_told_with_the_nearest_known() -> None:
    sentences = unknown_variables(
        {"INDEXTTS_QUEUESIZE": "1", "INDEXTTS_XYZZY": "1", "INDEXTTS_TEST_SHARED": "/x"}
    )
    assert sentences == [
        "unknown setting INDEXTTS_QUEUESIZE is ignored; did you mean INDEXTTS_QUEUE_SIZE?",
        "unknown setting INDEXTTS_XYZZY is ignored",
    ]


def test_secrets_are_not_shown() -> None:
    settings = Settings(api_keys=("hidden-key",), jwt_secret="h" * 32, redis_url="redis://:pw@h")
    shown = redacted(settings)
    assert shown["api_keys"] == shown["jwt_secret"] == shown["redis_url"] == "***"
    assert redacted(Settings())["api_keys"] == ""
    assert set(shown) == {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize(
    ("changes", "public"),
    [
        ({}, True),
        ({"host": "127.0.0.1"}, False),
        ({"host": "[::1]"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "::1"}, False),
        ({"host": "::"}, True),
        ({"host": "localhost"}, False),
        ({"host": "tts.example"}, True),
        ({"bind": ("unix:/run/a.sock", "127.0.0.1:1")}, False),
        ({"bind": ("unix:/run/a.sock", "10.0.0.1:1")}, True),
    ],
)
def test_public_addresses_are_known(changes: dict[str, object], public: bool) -> None:
    assert Settings(**changes).is_public is public  # type: ignore[arg-type]


def test_threads_leave_room_beside_the_queue() -> None:
    assert Settings().thread_count == 33 + 16 + 49 + 9
    assert Settings(queue_size=4).thread_count == 5 + 5 + 10 + 9
    assert Settings(threads=12, queue_size=9).thread_count == 12


def test_ipv6_addresses_are_bracketed() -> None:
    assert Settings(host="::1", port=80).binds == ("[::1]:80",)
    assert Settings(host="[::1]", port=80).binds == ("[::1]:80",)


@pytest.mark.parametrize("name", ["README.md", "docs/configuration.md"])
def test_the_documented_table_is_current(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert markdown_table() in text, "run: python -m app.settings, and paste it"
