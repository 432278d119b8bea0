"""The hooks by themselves; with a real Gunicorn they are tested in test_gunicorn_lifecycle."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.gunicorn import hooks
from app.settings import Settings

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@dataclass
class Worker:
    gpu_slot: int = -1


@dataclass
class Server:
    """What the hooks use of Gunicorn's master."""

    num_workers: int = 2
    WORKERS: dict[int, Worker] = field(default_factory=dict)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("gunicorn.error"))


def announce(caplog: pytest.LogCaptureFixture, **settings: Any) -> str:
    caplog.set_level(logging.INFO)
    hooks.announce(Server(), Settings(**settings))
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "api_keys": ("k",)}, False),
        ({"host": "0.0.0.0", "jwt_secret": "s" * 32}, False),
        ({"bind": ("unix:/run/a.sock",)}, False),
    ],
)
def test_an_open_service_is_warned_about_once(
    caplog: pytest.LogCaptureFixture, settings: dict[str, Any], warned: bool
) -> None:
    assert announce(caplog, **settings).count("without API keys") == int(warned)


def test_a_stand_in_is_never_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    assert "not the real engine" in announce(caplog, engine="a:b")


def test_slots_follow_the_living_workers(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(WORKERS={1: Worker(0), 2: Worker(1)})
    del server.WORKERS[1]
    newcomer = Worker()
    hooks.choose_slot(server, newcomer)
    assert newcomer.gpu_slot == 0
    server.WORKERS[3] = newcomer
    hooks.choose_slot(server, Worker())
    assert "shared with a worker that is leaving" in caplog.text


def test_metrics_start_empty_and_only_our_own_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "counter_1.db").touch()
    hooks.prepare_metrics(Settings())
    assert not list(tmp_path.iterdir())
    hooks.remove_metrics()
    assert tmp_path.is_dir()
    given = tmp_path / "made" / "here"
    hooks.prepare_metrics(Settings(metrics_dir=str(given)))
    assert given.is_dir()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    hooks.prepare_metrics(Settings())
    assert len(list(tmp_path.glob("indextts-metrics-*"))) == 1
    hooks.remove_metrics()
    assert not list(tmp_path.glob("indextts-metrics-*"))
    monkeypatch.delenv(VARIABLE)
