"""``indextts read`` (cli/read.py)."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from indextts.cli import main
from tests.indextts.cli.small_model import CONFIG
from tests.indextts.stages.text.conftest import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory without weights."""
    path = tmp_path_factory.mktemp("model")
    train(path)
    config = CONFIG | {"gpt": CONFIG["gpt"] | {"max_text_tokens": 600}}
    (path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def run(folder: Path, *arguments: str) -> int:
    return main(["read", *arguments, "--model-dir", str(folder)])


def test_segments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "Hello. 你好, 5д", "--max-text-tokens-per-segment", "8") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[-1] for line in lines[:2]] == ["Hello.", "你好,五"]
    assert lines[2:] == ["  characters that the model does not know: д"]


def test_tokens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "你好", "--tokens") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["▁", "你", "▁好"]


def test_both_readers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "A4 and 2 fox's", "--compare") == 0
    output = capsys.readouterr().out
    natural, reference = output.split("reference\n")
    assert natural.startswith("natural\n")
    assert "A four and two fox's" in natural
    assert "四" in reference or "A4" in reference


def test_pauses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "[pause 20ms] Hello. [pause 0.5s]\n\n你好 [pause] [pause 1s]"
    assert run(folder, text) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [lines[0], lines[2], lines[4]] == [f"[pause {n}ms]" for n in (20, 500, 1000)]
    assert lines[5].startswith("[pause] is not understood as a pause")
    assert run(folder, text, "--no-pauses") == 0
    assert "[pause" not in capsys.readouterr().out
    assert run(folder, "[pause 11s] Hello.") == 1
    assert "10 s at most" in capsys.readouterr().out


def test_standard_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hello")))
    assert run(folder, "-") == 0
    assert "hello" in capsys.readouterr().out


def test_nothing_to_speak(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "...") == 1
    assert "nothing in it that can be spoken" in capsys.readouterr().out


def test_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "hello") == 1
    assert "config.yaml" in capsys.readouterr().err


def test_torch_is_not_needed(folder: Path) -> None:
    code = (
        "import sys; from indextts.cli import main; "
        f"main(['read', 'hello', '--model-dir', {str(folder)!r}]); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)
