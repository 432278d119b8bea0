"""The systemd units: what systemd's own tools say of them, and the watchdog for real."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from app.settings.source import load_settings, merge_env_file, unknown_variables
from tests.app.gunicorn_server import wait_for
from tests.deploy.instances import Instance, running_instance
from tests.deploy.tools import ROOT, run, tool

pytestmark = pytest.mark.deploy

UNITS = ROOT / "deploy/systemd"
WORST_SCORE = 2.5


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """An instance of the unit, whose programs and folders exist on this machine."""
    text = (UNITS / "indextts@.service").read_text()
    text = text.replace("ExecStart=/opt/indextts/current/.venv/bin/python", "ExecStart=/bin/true")
    text = text.replace("WorkingDirectory=/opt/indextts/current", "WorkingDirectory=/tmp")
    text = text.replace("file:///opt/indextts/current", "file:///tmp")
    assert "/opt/indextts" not in text
    path = tmp_path / "indextts@0.service"
    path.write_text(text)
    (tmp_path / "indextts.target").write_text((UNITS / "indextts.target").read_text())
    return path


def test_systemd_has_nothing_to_say(unit: Path) -> None:
    # It ends with 0 for unknown keys and bad values too: only what it writes tells.
    done = run(
        [tool("systemd-analyze", "apt: systemd"), "verify", unit, unit.parent / "indextts.target"]
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_a_mistake_would_be_found(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHom=yes"))
    done = run([tool("systemd-analyze", "apt: systemd"), "verify", unit])
    assert "ProtectHom" in done.stderr


def test_the_exposure_is_small(unit: Path) -> None:
    command = [
        tool("systemd-analyze", "apt: systemd"),
        "security",
        "--offline=yes",
        "--no-pager",
        unit,
    ]
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", run(command).stdout)
    assert found is not None
    assert float(found[1]) <= WORST_SCORE


def test_the_times_fit_each_other() -> None:
    settings = Settings()
    unit = (UNITS / "indextts@.service").read_text()
    stop = int(_value(unit, "TimeoutStopSec"))
    assert stop > settings.graceful_seconds > settings.request_seconds
    watchdog = (UNITS / "watchdog.py").read_text()
    most = float(re.search(r"MOST_ANSWER_SECONDS = ([0-9.]+)", watchdog)[1])  # type: ignore[index]
    assert int(_value(unit, "WatchdogSec")) >= 4 * most


def test_the_service_understands_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit's variables and both states of the file: as shipped, and with all comments off."""
    for text in (
        (UNITS / "indextts.env").read_text(),
        re.sub(r"^# (INDEXTTS_\w+=)", r"\1", (UNITS / "indextts.env").read_text(), flags=re.M),
    ):
        environ = dict(line.split("=", 1) for line in text.splitlines() if line[:9] == "INDEXTTS_")
        unit = (UNITS / "indextts@.service").read_text().replace("%i", "0")
        for assignments in re.findall(r"^Environment=(.*)$", unit, flags=re.M):
            environ |= dict(word.split("=", 1) for word in shlex.split(assignments))
        assert unknown_variables(merge_env_file(environ)) == []
        settings = load_settings(environ)
        assert settings.binds == ("unix:/run/indextts-0/api.sock", "127.0.0.1:9110")
        assert not settings.is_public
        # Where the unit may write, and all instances look.
        state = f"/var/lib/{_value(unit, 'StateDirectory')}/"
        assert settings.voices_dir.startswith(state)


def _value(unit: str, key: str) -> str:
    (value,) = re.findall(rf"^{key}=(.*)$", unit, flags=re.M)
    return str(value)


# -- the watchdog ----------------------------------------------------------------------------------


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Stands for systemd: the socket that takes the messages."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(30)
        yield receiver


@pytest.fixture
def watched(
    tmp_path: Path, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Instance]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    with running_instance(f"unix:{tmp_path}/api.sock", tmp_path / "instance") as instance:
        instance.launcher = (sys.executable, str(UNITS / "watchdog.py"))
        instance.start()
        yield instance


def test_systemd_hears_that_it_is_ready_and_then_that_it_lives(
    watched: Instance, systemd: socket.socket
) -> None:
    heard = ""
    while "READY=1" not in heard or heard.count("WATCHDOG=1") < 3:
        heard += systemd.recv(4096).decode() + "\n"


def test_systemd_hears_nothing_while_the_service_is_silent(
    watched: Instance, systemd: socket.socket
) -> None:
    while b"WATCHDOG=1" not in systemd.recv(4096):
        pass
    worker = watched.worker()
    os.kill(worker, signal.SIGSTOP)
    try:
        wait_for(lambda: "does not answer" in watched.log)
        _forget(systemd)
        time.sleep(1.5)
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(4096)
    finally:
        os.kill(worker, signal.SIGCONT)
    systemd.settimeout(30)
    while b"WATCHDOG=1" not in systemd.recv(4096):
        pass


def test_the_watchdog_ends_with_the_service(watched: Instance, systemd: socket.socket) -> None:
    while b"WATCHDOG=1" not in systemd.recv(4096):
        pass
    others = watched.children()
    assert watched.terminate() == 0
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others))


def test_without_systemd_only_the_command_runs() -> None:
    program = (
        "import os; print(os.getpid(), open('/proc/self/task/%d/children' % os.getpid()).read())"
    )
    done = run([sys.executable, UNITS / "watchdog.py", sys.executable, "-c", program], env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) == 1  # its own number, no child's
    assert run([sys.executable, UNITS / "watchdog.py"]).returncode == 2


def _forget(receiver: socket.socket) -> None:
    """Read what has come until now."""
    receiver.setblocking(False)
    try:
        while True:
            receiver.recv(4096)
    except BlockingIOError:
        return
