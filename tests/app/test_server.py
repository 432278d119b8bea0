from __future__ import annotations

from pathlib import Path

import pytest

import server
from app.settings import load_settings


def environment(*arguments: str, **environ: str) -> dict[str, str]:
    return server.environment(server.parse_arguments(arguments), environ)


def test_options_win_over_the_environment() -> None:
    merged = environment(
        *("--host", "0.0.0.0", "--port", "9", "--workers", "2", "--log-level", "DEBUG"),
        INDEXTTS_PORT="1",
        INDEXTTS_BIND="unix:/x",
        INDEXTTS_QUEUE_SIZE="3",
        PATH="/bin",
    )
    settings = load_settings(merged)
    assert settings.binds == ("0.0.0.0:9",)
    assert (settings.workers, settings.log_level, settings.queue_size) == (2, "debug", 3)
    assert settings.reload is False
    assert merged["PATH"] == "/bin"


def test_without_options_nothing_changes() -> None:
    assert environment(INDEXTTS_BIND="unix:/x") == {"INDEXTTS_BIND": "unix:/x"}


def test_reload_and_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e").write_text("INDEXTTS_PORT=7\n")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environment("--reload", "--env-file", "e"))
    assert (settings.reload, settings.port) == (True, 7)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        server.parse_arguments(["--help"])
    text = capsys.readouterr().out
    for option in ("--host", "--port", "--workers", "--reload", "--log-level", "--env-file"):
        assert option in text


def test_a_wrong_setting_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDEXTTS_WORKERS", "none")
    assert server.main([]) == 2
    assert capsys.readouterr().err == (
        "configuration error: INDEXTTS_WORKERS: expected a whole number\n"
    )
