"""Standard input, output and error, whatever the caller has made of them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile as sf

from indextts.cli import main
from indextts.cli.standard_streams import given_text
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

GBK = "Hello 你好 world".encode("gbk")


@pytest.fixture
def speech(tiny_model_dir: Path, tmp_path: Path) -> list[str]:
    """Arguments that speak a sentence; the place is to be added."""
    path = tmp_path / "voice.wav"
    sf.write(path, voice(1), SAMPLE_RATE)
    return [SENTENCES[0], "-q", "--speaker", str(path), "--model-dir", str(tiny_model_dir)]


@pytest.fixture
def reading(tiny_model_dir: Path) -> list[str]:
    return ["read", "hello", "--model-dir", str(tiny_model_dir)]


@contextmanager
def standard_output(number: int) -> Iterator[None]:
    """Standard output is this open file, which is closed at the end."""
    with os.fdopen(number, "w") as stdout, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        yield


def give(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """On standard input, which Python would decode as under LC_ALL=C.UTF-8."""
    stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", stdin)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_standard_input_is_read_as_utf_8(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, "你好\r\n\r\nfox\n".encode(encoding))
    assert given_text("-") == "你好\n\nfox\n"


@pytest.mark.parametrize("arguments", [["-", "-o", "out.wav"], ["read", "-"]])
def test_standard_input_in_another_encoding_is_refused(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    give(monkeypatch, GBK)
    assert main(arguments) == 1
    said = "standard input is not UTF-8: convert it, e.g. iconv -f GBK -t UTF-8\n"
    assert capsys.readouterr().err == f"indextts: error: {said}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([os.fsdecode(GBK)], "the text"),
        (["--text", os.fsdecode(GBK)], "the text"),
        (["read", os.fsdecode(GBK)], "the text"),
        (["hello", "--emo-text", os.fsdecode(GBK)], "--emo-text"),
    ],
)
def test_an_argument_in_another_encoding_is_refused(
    arguments: list[str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert f"indextts: error: {name} is not UTF-8: convert it" in capsys.readouterr().err


def test_what_standard_output_has_no_characters_for_is_escaped(
    reading: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    action, _, *options = reading
    assert main([action, "你好", *options]) == 0
    assert b"\\u4f60\\u597d" in stdout.buffer.getvalue()  # type: ignore[attr-defined]


def test_sound_that_nobody_is_told_of_is_there(
    speech: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.wav"
    reader, writer = os.pipe()
    os.close(reader)
    with standard_output(writer):
        assert main([*speech, "-o", str(out)]) == 141
    assert sf.info(out).frames > 0
    assert "error" not in capsys.readouterr().err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_ends_every_action_without_a_message(
    reading: list[str], unbuffered: str
) -> None:
    """In a process of its own, because the exit flushes once more."""
    for command in (["--help"], ["--version"], reading):
        process = subprocess.Popen(
            [sys.executable, "-m", "indextts", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        with process.stderr as stderr:
            said = stderr.read()
        assert (process.wait(60), said) == (141, b"")


def test_sound_is_made_where_standard_output_and_error_are_closed(
    speech: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.wav"
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main([*speech, "-o", str(out)]) == 0
    assert sf.info(out).frames > 0


def test_closed_streams_that_are_needed_are_told(
    speech: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert main([*speech, "-o", "-"]) == 1
        assert "error: standard output is closed; pipe it" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["read", "-"]) == 1
    assert "error: standard input is closed: pipe a text" in capsys.readouterr().err


@pytest.mark.parametrize("sound", [True, False])
def test_a_full_disk_behind_standard_output_is_told(
    sound: bool, speech: list[str], reading: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with standard_output(os.open("/dev/full", os.O_WRONLY)):
        assert main([*speech, "-o", "-"] if sound else reading) == 1
    said = "standard output cannot be written: No space left on device"
    assert capsys.readouterr().err == f"indextts: error: {said}\n"
