"""The hooks by themselves; with a real Gunicorn they are tested in test_gunicorn_lifecycle."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.gunicorn import hooks
from app.gunicorn.restarts import Pause, Restarts
from app.settings import Settings

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@dataclass
class Worker:
    gpu_slot: int = -1
    counters: int = -1
    pause: Pause = field(default_factory=Pause)
    served: Any = None
    output: Any = None
    sockets: list[socket.socket] = field(default_factory=list)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("gunicorn.error"))


@dataclass
class Config:
    reload: bool = False


@dataclass
class Server:
    """What the hooks use of Gunicorn's master."""

    num_workers: int = 2
    WORKERS: dict[int, Worker] = field(default_factory=dict)
    restarts: Restarts = field(default_factory=Restarts)
    cfg: Config = field(default_factory=Config)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("gunicorn.error"))


def announce(caplog: pytest.LogCaptureFixture, **settings: Any) -> str:
    caplog.set_level(logging.INFO)
    hooks.announce(Server(), Settings(**settings))
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, True),
        ({"host": "127.0.0.1"}, False),
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
    server = Server(WORKERS={1: Worker(0, 0), 2: Worker(1, 1)})
    del server.WORKERS[1]
    newcomer = Worker()
    hooks.choose_slot(server, newcomer)
    assert newcomer.gpu_slot == 0
    server.WORKERS[3] = newcomer
    hooks.choose_slot(server, Worker())
    assert "shared with a worker that is leaving" in caplog.text


def test_counters_never_share_files_and_files_do_not_pile_up() -> None:
    server = Server(num_workers=1)
    numbers = []
    for age in range(6):  # each is started before the one before it has left, as on SIGHUP
        newcomer = Worker()
        hooks.choose_slot(server, newcomer)
        assert newcomer.counters not in {other.counters for other in server.WORKERS.values()}
        server.WORKERS[age] = newcomer
        numbers.append(newcomer.counters)
        server.WORKERS.pop(age - 1, None)
    assert numbers == [0, 1, 0, 1, 0, 1]


def test_only_unexpected_deaths_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    server = Server(num_workers=1)

    def death(left: int) -> None:
        worker = Worker()
        hooks.choose_slot(server, worker)
        hooks.mark_serving(worker)
        server.WORKERS = {age: Worker(age, age) for age in range(left)}
        hooks.forget_worker(server, worker)
        server.WORKERS = {}

    for _ in range(3):
        death(left=1)  # another had taken its place already
    assert server.restarts.begin(0) == Pause()
    for _ in range(3):
        death(left=0)
    assert server.restarts.begin(0) == Pause(2.0, 3, True)
    server.cfg.reload = True
    death(left=0)
    assert server.restarts.begin(0).failures == 3


def test_metrics_start_empty_and_only_our_own_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "counter_1.db").touch()
    hooks.prepare_metrics(Server(), Settings())
    assert not list(tmp_path.iterdir())
    hooks.remove_metrics()
    assert tmp_path.is_dir()
    given = tmp_path / "made" / "here"
    hooks.prepare_metrics(Server(), Settings(metrics_dir=str(given)))
    assert given.is_dir()
    assert os.environ[VARIABLE] == str(given)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    hooks.prepare_metrics(Server(), Settings())
    assert len(list(tmp_path.glob("indextts-metrics-*"))) == 1
    hooks.remove_metrics()
    assert not list(tmp_path.glob("indextts-metrics-*"))
    monkeypatch.delenv(VARIABLE)


def test_without_a_folder_the_service_starts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "file").touch()
    hooks.prepare_metrics(Server(), Settings(metrics_dir=str(tmp_path / "file" / "below")))
    assert VARIABLE not in os.environ
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    hooks.prepare_metrics(Server(), Settings())
    assert VARIABLE not in os.environ
    assert caplog.text.count("no folder for the counters") == 2


@pytest.mark.parametrize(
    ("name", "url"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        (("0.0.0.0", 8000), "http://127.0.0.1:8000"),
        (("::", 80, 0, 0), "http://[::1]:80"),
        (("192.0.2.7", 8000), "http://192.0.2.7:8000"),
    ],
)
def test_the_address_to_open_is_one_that_answers(name: tuple[Any, ...], url: str) -> None:
    assert hooks.url_of(name) == url


def test_one_line_says_where_to_go(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "s"))
    with unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        hooks.ready_line(Worker(0, sockets=[unix, tcp]))()
        hooks.ready_line(Worker(1, sockets=[unix, tcp]))()
        hooks.ready_line(Worker(0, sockets=[unix]))()
        port = tcp.getsockname()[1]
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"Ready: http://127.0.0.1:{port}", f"Ready: unix:{tmp_path / 's'}"]
