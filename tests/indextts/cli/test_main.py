"""Dispatch, help, exit codes (cli/main.py)."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import indextts
from indextts.cli import main
from indextts.errors import TextError


class Speak(ModuleType):
    """In place of the real action, which needs a model."""

    def __init__(self) -> None:
        super().__init__("indextts.cli.speak")
        self.spoken: list[str] = []
        self.error: BaseException | None = None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("words", nargs="?")
        parser.add_argument("--text")

    def run(self, args: argparse.Namespace) -> int:
        if self.error is not None:
            raise self.error
        self.spoken.append(args.text or args.words)
        return 0


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch) -> Speak:
    module = Speak()
    monkeypatch.setitem(sys.modules, "indextts.cli.speak", module)
    return module


def test_a_text_is_spoken(speak: Speak) -> None:
    assert main(["download everything"]) == 0
    assert main(["--text", "download"]) == 0
    assert main(["--debug", "check this"]) == 0
    assert speak.spoken == ["download everything", "download", "check this"]


def test_the_other_actions_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 1
    assert "config.yaml" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["download", "--only", "nonsense"])
    assert caught.value.code == 2
    assert "indextts download: error:" in capsys.readouterr().err


def test_no_arguments(speak: Speak, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: indextts" in capsys.readouterr().err


def test_help_shows_all_actions(speak: Speak, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    actions = ("indextts download", "indextts check", "indextts read")
    for text in (*actions, "--speaker voice.wav", "--text"):
        assert text in output


@pytest.mark.parametrize(
    ("action", "option"), [("download", "w2v_bert"), ("check", "w2v_bert"), ("read", "--compare")]
)
def test_help_of_an_action(action: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([action, "--help"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    assert f"usage: indextts {action}" in output
    assert option in output


def test_version(speak: Speak, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"indextts {indextts.__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TextError("nothing\nto say"), 1, "indextts: error: nothing to say\n"),
        (PermissionError(13, "no", "x"), 1, "indextts: error: [Errno 13] no: 'x'\n"),
        (KeyboardInterrupt(), 130, "indextts: interrupted\n"),
    ],
)
def test_errors_are_one_line(
    speak: Speak,
    error: BaseException,
    code: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    speak.error = error
    assert main(["hello"]) == code
    assert capsys.readouterr().err == line
    with pytest.raises(type(error)):
        main(["hello", "--debug"])


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("owner", "name"), [(importlib, "import_module"), (Speak, "add_arguments")]
)
def test_an_interruption_before_the_work_is_one_line_too(
    speak: Speak,
    owner: object,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(owner, name, interrupted)
    try:
        code = main(["hello"])
    except KeyboardInterrupt:
        pytest.fail("it ends in a traceback")
    assert code == 130
    assert capsys.readouterr().err == "indextts: interrupted\n"


def test_a_defect_is_not_hidden(speak: Speak) -> None:
    speak.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        main(["hello"])


def test_fetching_needs_no_torch(tmp_path: Path) -> None:
    """Loading torch takes seconds; and the files may be fetched where it is not installed."""
    program = (
        "import sys; from indextts.cli import main; "
        f"code = main(['download', '--dir', {str(tmp_path)!r}]); "
        "assert not {'torch', 'numpy', 'transformers'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE" in done.stdout
