"""The programs in examples/ do what they say, against a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import playwright
import pytest
import soundfile

from tests.app.gunicorn_server import ROOT, Server, running_server

pytestmark = pytest.mark.deploy

EXAMPLES = ROOT / "examples"
# Playwright brings a Node that reads TypeScript.
NODE = Path(playwright.__file__).with_name("driver") / "node"
TEXT = 'Say "hello" and 你好.'
SECONDS = 0.1 + 0.01 * len(TEXT)
KEY = "right"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("examples"), "", api_keys=KEY) as running:
        yield running


def run(
    server: Server, folder: Path, *command: str | Path, key: str = KEY
) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "INDEXTTS_URL": f"{server.url}/v1", "INDEXTTS_API_KEY": key}
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


PROGRAMS = {
    "curl": ("sh", EXAMPLES / "speak.sh"),
    "requests": (sys.executable, EXAMPLES / "speak_requests.py"),
    "openai": (sys.executable, EXAMPLES / "speak_openai.py"),
    "fetch": (NODE, EXAMPLES / "speak.mjs"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_they_write_the_speech(server: Server, tmp_path: Path, name: str) -> None:
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = run(server, tmp_path, *PROGRAMS[name], TEXT, "speech.mp3")
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "speech.mp3")
    assert (info.format, info.samplerate) == ("MP3", 22050)
    assert info.duration == pytest.approx(SECONDS, abs=0.12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_they_need_no_arguments(server: Server, tmp_path: Path, name: str) -> None:
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = run(server, tmp_path, *PROGRAMS[name])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "speech.mp3").stat().st_size > 1000


@pytest.mark.parametrize("name", [*PROGRAMS, "typescript"])
def test_they_tell_what_went_wrong(server: Server, tmp_path: Path, name: str) -> None:
    command = {**PROGRAMS, "typescript": (NODE, EXAMPLES / "speech.ts")}[name]
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = run(server, tmp_path, *command, TEXT, "speech.mp3", key="wrong")
    assert done.returncode != 0
    told = done.stdout + done.stderr
    if name == "curl":  # it writes the body of an error, too, where it was told to
        told += (tmp_path / "speech.mp3").read_text(encoding="utf-8")
    assert "A valid API key or token is required" in told


def test_the_file_of_requests_has_the_form_of_its_name(server: Server, tmp_path: Path) -> None:
    done = run(server, tmp_path, *PROGRAMS["requests"], TEXT, "speech.wav")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "speech.wav").duration == pytest.approx(SECONDS, abs=0.01)


def test_a_voice_of_ones_own(server: Server, tmp_path: Path) -> None:
    clip = EXAMPLES / "voices" / "en_male.flac"
    done = run(server, tmp_path, *PROGRAMS["openai"], TEXT, "speech.mp3", "--clip", clip)
    assert done.returncode == 0, done.stderr
    (tmp_path / "broken.wav").write_bytes(b"RIFF" * 100)
    done = run(server, tmp_path, *PROGRAMS["openai"], TEXT, "x.mp3", "--clip", "broken.wav")
    assert "ref_audio" in done.stderr


def test_typescript_reads_events(server: Server, tmp_path: Path) -> None:
    done = run(server, tmp_path, NODE, EXAMPLES / "speech.ts", TEXT, "speech.pcm")
    assert done.returncode == 0, done.stderr
    size = (tmp_path / "speech.pcm").stat().st_size
    assert size / 2 / 24_000 == pytest.approx(SECONDS, abs=0.001)


def test_the_page_lists_every_program() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"[{path.name}]({path.name})" in text
