"""The shell scripts: what they would do (golden files), and what they do in a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.gunicorn_server import STAND_IN
from tests.deploy.nginx_site import Certificate, Load, running_nginx
from tests.deploy.tools import ROOT, output_of, run, tool

pytestmark = pytest.mark.deploy

DEPLOY = ROOT / "deploy"
GOLDEN = Path(__file__).with_name("golden")
SCRIPTS = ("install.sh", "uninstall.sh", "upgrade.sh", "rolling-restart.sh")
NAME = "tts.example.com"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="owners of files: run as root")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """An environment in which programs have known versions; the folder is FAKE_ROOT."""
    programs = tmp_path / "bin"
    programs.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    fake = Path(__file__).with_name("fake_systemctl.py")
    _program(programs / "systemctl", f'exec {sys.executable} {fake} "$@"')
    _program(programs / "nginx", "echo nginx version: nginx/1.22.1 >&2")
    return {"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin", "FAKE_ROOT": str(root)}


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _compare(name: str, text: str, machine: dict[str, str]) -> None:
    """Compare with a golden file; INDEXTTS_TEST_UPDATE=1 writes it."""
    text = text.replace(machine["FAKE_ROOT"], "ROOT").replace(str(ROOT), "SOURCE")
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("INDEXTTS_TEST_UPDATE"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_shellcheck_is_content() -> None:
    shellcheck = tool("shellcheck", "apt: shellcheck")
    scripts = [*sorted(DEPLOY.glob("*.sh")), *ROOT.glob("*.sh")]
    assert len(scripts) >= len(SCRIPTS)
    done = run([shellcheck, "-x", "-P", "SCRIPTDIR", *scripts])
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_and_nonsense(script: str) -> None:
    assert output_of([DEPLOY / script, "--help"]).startswith(f"usage: deploy/{script}")
    done = run([DEPLOY / script, "--nonsense"])
    assert done.returncode == 1
    assert "error: unknown option --nonsense" in done.stderr
    done = run([DEPLOY / script, "--root"])
    assert (done.returncode, "--root needs a value" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--server-name is needed"),
        (("--server-name", NAME, "--gpus", "0;1"), "--gpus: expected numbers"),
        (("--server-name", NAME, "--gpus", "10"), "--gpus: expected numbers"),
        (("--server-name", NAME, "--cert", "/c.pem"), "--cert and --key belong together"),
        (("--server-name", NAME, "--release", "../x"), "--release: a plain name"),
    ],
)
def test_install_refuses(options: tuple[str, ...], message: str) -> None:
    done = run([DEPLOY / "install.sh", "--dry-run", *options])
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.skipif(Path("/opt/indextts").exists(), reason="the service is installed here")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("install", ("--server-name", NAME, "--gpus", "0,1")),
        (
            "install_bare",
            ("--no-nginx", "--no-packages", "--gpus", "0", "--wheels", "/w", "--extras", "jwt"),
        ),
    ],
)
def test_what_install_would_do(
    name: str, options: tuple[str, ...], machine: dict[str, str]
) -> None:
    command = [DEPLOY / "install.sh", "--dry-run", "--release", "1.0", *options]
    _compare(name, output_of(command, env=machine), machine)


# -- for real, in a folder -------------------------------------------------------------------------


def _install(machine: dict[str, str], *options: str, scripts: Path = DEPLOY) -> str:
    for program, package in (("systemd-sysusers", "systemd"), ("openssl", "openssl")):
        tool(program, f"apt: {package}")
    return output_of(
        [
            *(scripts / "install.sh", "--root", machine["FAKE_ROOT"], "--server-name", NAME),
            *("--venv", sys.prefix, *options),
        ],
        env=machine,
    )


def _tree(folder: Path) -> dict[str, tuple[int, int, bytes | str]]:
    """Everything in a folder: mode, owner, content.  Without what Python compiled."""
    found: dict[str, tuple[int, int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content: bytes | str = b""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        if "__pycache__" not in path.parts and path.name != "systemctl.log":
            found[str(path.relative_to(folder))] = (state.st_mode, state.st_uid, content)
    return found


@needs_root
def test_install_twice_then_uninstall(machine: dict[str, str]) -> None:
    root = Path(machine["FAKE_ROOT"])
    options = ("--gpus", "0,1", "--release", "1.0")
    _install(machine, *options)
    first = _tree(root)
    wants = root / "etc/systemd/system/indextts.target.wants"
    assert sorted(path.name for path in wants.iterdir()) == [
        "indextts@0.service",
        "indextts@1.service",
    ]
    assert (root / "opt/indextts/current").readlink() == Path("releases/1.0")
    assert (root / "etc/indextts/tls/privkey.pem").stat().st_mode & 0o777 == 0o600
    env = (root / "etc/indextts/indextts.env").stat()
    assert env.st_mode & 0o777 == 0o640
    assert env.st_gid == _number(root / "etc/group")
    assert (root / "var/lib/indextts/models").stat().st_uid == _number(root / "etc/passwd")
    assert "www-data" in _line(root / "etc/group")

    (root / "etc/indextts/indextts.env").write_text("INDEXTTS_QUEUE_SIZE=3\n")
    (root / "etc/indextts/tls/fullchain.pem").write_text("mine")
    said = _install(machine, *options)
    assert "is kept" in said
    again = _tree(root)
    assert again.pop("etc/indextts/indextts.env")[2] == b"INDEXTTS_QUEUE_SIZE=3\n"
    assert again.pop("etc/indextts/tls/fullchain.pem")[2] == b"mine"
    assert again == {path: first[path] for path in again}

    _compare("uninstall", _uninstall(machine, "--purge", "--dry-run"), machine)
    assert set(_tree(root)) == set(first)
    _uninstall(machine)
    left = _tree(root)
    assert "etc/indextts/indextts.env" in left
    assert "etc/indextts/tls/fullchain.pem" in left
    assert "var/lib/indextts/models" in left
    assert not [path for path in left if path.startswith(("opt/indextts", "etc/systemd/system/i"))]
    assert not [path for path in left if "sites-" in path and "indextts" in path]
    _uninstall(machine, "--purge")
    assert not [path for path in _tree(root) if "indextts" in path]
    assert "indextts" not in (root / "etc/passwd").read_text()


def _uninstall(machine: dict[str, str], *options: str) -> str:
    command = [DEPLOY / "uninstall.sh", "--root", machine["FAKE_ROOT"], *options]
    return output_of(command, env=machine)


def _line(path: Path) -> str:
    return next(line for line in path.read_text().splitlines() if line.startswith("indextts:"))


def _number(path: Path) -> int:
    return int(_line(path).split(":")[2])


@needs_root
def test_nginx_accepts_the_installed_site(machine: dict[str, str], tmp_path: Path) -> None:
    nginx = tool("nginx", "apt: nginx-light")
    root = Path(machine["FAKE_ROOT"])
    _install(machine, "--gpus", "0,1", "--release", "1.0")
    site = (root / "etc/nginx/sites-enabled/indextts").resolve().read_text()
    for folder in ("/etc/indextts", "/var/log/nginx", "/var/www"):
        site = site.replace(folder, f"{root}{folder}")
    (root / "var/log/nginx").mkdir(parents=True)
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{site}\n}}\n")
    done = run([nginx, "-t", "-e", tmp_path / "log", "-p", tmp_path, "-c", config])
    assert done.returncode == 0, done.stderr


@needs_root
def test_further_options_reach_the_site(machine: dict[str, str]) -> None:
    instances = ("--instances", "unix:/run/indextts-0/api.sock", "10.0.0.2:8000")
    _install(machine, "--gpus", "0", "--release", "1", "--", *instances, "--rate", "9r/s")
    site = (Path(machine["FAKE_ROOT"]) / "etc/nginx/sites-available/indextts").read_text()
    assert "server 10.0.0.2:8000 max_fails=1" in site
    assert "rate=9r/s" in site


@needs_root
def test_a_foreign_site_is_left_alone(machine: dict[str, str]) -> None:
    site = Path(machine["FAKE_ROOT"]) / "etc/nginx/sites-available/indextts"
    site.parent.mkdir(parents=True)
    site.write_text("# mine\n")
    with pytest.raises(AssertionError, match=r"was not written by nginx/render\.py"):
        _install(machine, "--gpus", "0", "--release", "1.0")
    assert site.read_text() == "# mine\n"


@needs_root
def test_a_release_keeps_to_its_own_environment(machine: dict[str, str]) -> None:
    """Started through `current`, a process must not look into the next release later."""
    _install(machine, "--gpus", "0", "--release", "1.0")
    current = Path(machine["FAKE_ROOT"]) / "opt/indextts/current"
    program = "import sys; print(sys.prefix)"
    assert output_of([".venv/bin/python", "-c", program], cwd=current).strip() == str(
        current.parent / "releases/1.0/.venv"
    )


# -- upgrade while clients ask ---------------------------------------------------------------------


@contextlib.contextmanager
def _running_instances(machine: dict[str, str]) -> Iterator[Path]:
    """Two instances, run as the installed unit says."""
    tool("curl", "apt: curl")
    root = Path(machine["FAKE_ROOT"])
    _install(machine, "--gpus", "0,1", "--release", "1.0")
    for number in "01":
        lines = (
            f"INDEXTTS_BIND=unix:{root}/run/indextts-{number}/api.sock",
            f"INDEXTTS_ENGINE={STAND_IN}",
            f"PYTHONPATH={ROOT}",
        )
        (root / f"etc/indextts/gpu-{number}.env").write_text("\n".join(lines))
    try:
        output_of(
            [DEPLOY / "rolling-restart.sh", "--root", root, "--pause", "0"], env=machine, seconds=90
        )
        yield root
    finally:
        for pid_file in root.glob("pid-*"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid_file.read_text()), signal.SIGKILL)


def _releases_in_use(root: Path) -> set[str]:
    pids = [path.read_text() for path in root.glob("pid-*")]
    return {Path(f"/proc/{pid}/cwd").readlink().name for pid in pids}


@needs_root
@pytest.mark.timeout(200)
def test_an_upgrade_costs_no_request_and_a_bad_one_is_undone(
    machine: dict[str, str], tmp_path: Path, certificate: Certificate, clip_hex: str
) -> None:
    tool("nginx", "apt: nginx-light")
    with _running_instances(machine) as root:
        sockets = [f"unix:{root}/run/indextts-{number}/api.sock" for number in "01"]
        generous = ("--rate", "100r/s", "--burst", "100")
        pace = ("--root", str(root), "--venv", sys.prefix, "--pause", "0", "--wait", "40")
        with (
            running_nginx(tmp_path / "nginx", sockets, certificate, clip_hex, *generous) as site,
            Load(site, "[slow 0.2]", clients=3) as load,
        ):
            load.wait_for_more(4)
            assert _releases_in_use(root) == {"1.0"}
            command = [DEPLOY / "upgrade.sh", "--release", "2.0", *pace]
            assert "Done: 1.0 -> 2.0." in output_of(command, env=machine, seconds=120)
            assert _releases_in_use(root) == {"2.0"}
            load.wait_for_more(4)

            broken = _copy_of_the_source(tmp_path / "source")
            (broken / "server.py").write_text("raise SystemExit('a bad release')\n")
            command = [broken / "deploy/upgrade.sh", "--release", "3.0", *pace]
            done = run(command, env=machine, seconds=120)
            assert done.returncode == 1
            assert "release 3.0 was not brought into service; 2.0 answers" in done.stderr
            assert _releases_in_use(root) == {"2.0"}
            load.wait_for_more(4)
        assert load.problems == []
        back = ("--to", "1.0", "--dry-run", "--root", str(root))
        _compare("upgrade_back", output_of([DEPLOY / "upgrade.sh", *back], env=machine), machine)


def _copy_of_the_source(target: Path) -> Path:
    """What lib.sh takes for a release."""
    target.mkdir()
    names = output_of(["bash", "-c", f'. {DEPLOY}/lib.sh; printf "%s\\n" "${{PARTS[@]}}"'])
    for name in names.split():
        path = ROOT / name
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, target / name)
    return target


@needs_root
def test_rolling_restart_stops_at_an_instance_that_does_not_load(machine: dict[str, str]) -> None:
    with _running_instances(machine) as root:
        others = (root / "pid-1").read_text()
        with (root / "etc/indextts/gpu-0.env").open("a") as file:
            file.write("\nINDEXTTS_TEST_LOAD_SECONDS=600\n")
        command = [DEPLOY / "rolling-restart.sh", "--root", root, "--wait", "1", "--pause", "0"]
        done = run(command, env=machine)
        assert done.returncode == 1
        assert "instance 0 is not healthy after 1 s" in done.stderr
        assert (root / "pid-1").read_text() == others


@needs_root
def test_settings_that_the_new_release_refuses_stop_the_upgrade(machine: dict[str, str]) -> None:
    root = Path(machine["FAKE_ROOT"])
    _install(machine, "--gpus", "0", "--release", "1.0")
    (root / "etc/indextts/indextts.env").write_text("INDEXTTS_QUEUE_SIZE=many\n")
    pace = ("--root", str(root), "--venv", sys.prefix)
    done = run([DEPLOY / "upgrade.sh", "--release", "2.0", *pace], env=machine)
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert (root / "opt/indextts/current").readlink() == Path("releases/1.0")


def test_rolling_restart_needs_an_instance(machine: dict[str, str]) -> None:
    command = [DEPLOY / "rolling-restart.sh", "--root", machine["FAKE_ROOT"], "--dry-run"]
    done = run(command, env=machine)
    assert (done.returncode, "no instance is switched on" in done.stderr) == (1, True)
    assert "+ systemctl restart indextts@3.service" in output_of([*command, "3"], env=machine)
