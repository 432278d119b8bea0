from __future__ import annotations

import argparse
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from indextts.cli import main, speak
from indextts.errors import ConfigError
from indextts.options import OPTIONS, STREAM_QUICK_TOKENS, Option
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    sf.write(path, voice(1), SAMPLE_RATE)
    return path


def test_speaks_into_a_file(
    tiny_model_dir: Path, speaker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out.wav"
    common = ["--speaker", str(speaker), "--model-dir", str(tiny_model_dir), "--seed", "3"]
    assert main([SENTENCES[0], *common, "--output", str(out)]) == 0
    samples, rate = sf.read(out)
    assert rate == SAMPLE_RATE
    printed = capsys.readouterr()
    assert f"{out}: {len(samples) / rate:.2f} s of audio" in printed.out
    assert "seed 3" in printed.out
    assert "speaking" in printed.err
    again = tmp_path / "again.wav"
    assert main(["--text", SENTENCES[0], *common, "-o", str(again), "-q"]) == 0
    assert again.read_bytes() == out.read_bytes()
    assert "speaking" not in capsys.readouterr().err


def test_emotion_options(tiny_model_dir: Path, speaker: Path, tmp_path: Path) -> None:
    outputs = []
    for number, options in enumerate(
        (
            [],
            ["--emotion", str(speaker), "--emo-alpha", "0.5"],
            ["--emo-vector", "0.5,0,0,0,0,0,0,0.1"],
        )
    ):
        out = tmp_path / f"{number}.wav"
        arguments = ["--speaker", str(speaker), "--model-dir", str(tiny_model_dir), "--seed", "3"]
        assert main([SENTENCES[0], *arguments, *options, "-q", "-o", str(out)]) == 0
        outputs.append(out.read_bytes())
    assert outputs[0] != outputs[2]


class Pipe(io.BytesIO):
    """Standard output, with the size after each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[int] = []

    def flush(self) -> None:
        self.flushed.append(len(self.getvalue()))


class Stdout(io.StringIO):
    buffer: Pipe


@pytest.mark.parametrize(("ending", "format"), [("wav", "WAV"), ("FLAC", "FLAC"), ("mp3", "MP3")])
def test_the_name_says_the_format(
    tiny_model_dir: Path, speaker: Path, tmp_path: Path, ending: str, format: str
) -> None:
    out = tmp_path / f"out.{ending}"
    common = ["--speaker", str(speaker), "--model-dir", str(tiny_model_dir), "-q"]
    assert main([SENTENCES[0], *common, "-o", str(out)]) == 0
    with sf.SoundFile(out) as file:
        assert file.format == format


def test_standard_output_is_written_segment_by_segment(
    tiny_model_dir: Path,
    speaker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = " ".join(SENTENCES[:3])
    common = ["--speaker", str(speaker), "--model-dir", str(tiny_model_dir), "--seed", "3", "-q"]
    common += ["--quick-streaming-tokens", "4"]
    whole, cues = tmp_path / "whole.wav", tmp_path / "cues.vtt"
    assert main([text, *common, "-o", str(whole), "--subtitles", str(cues)]) == 0
    stdout = Stdout()
    stdout.buffer = Pipe()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        assert main([text, *common, "--output", "-"]) == 0
    data = stdout.buffer.getvalue()
    assert data[:4] == b"RIFF"
    expected, _ = sf.read(whole, dtype="int16")
    np.testing.assert_array_equal(np.frombuffer(data[44:], "<i2"), expected)
    assert stdout.getvalue() == ""
    assert "standard output: " in capsys.readouterr().err
    shown = cues.read_text()
    assert shown.startswith("WEBVTT")
    assert shown.count("-->") == len(stdout.buffer.flushed) > 1
    assert stdout.buffer.flushed == sorted(set(stdout.buffer.flushed))


def test_a_reader_that_leaves_ends_the_work_quietly(tiny_model_dir: Path, speaker: Path) -> None:
    arguments = ["--speaker", str(speaker), "--model-dir", str(tiny_model_dir), "-q", "-o", "-"]
    command = [sys.executable, "-m", "indextts", SENTENCES[0], *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        said = stderr.read()
    assert (process.wait(60), said) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speaker", "nothing.wav"], "nothing.wav"),
        (["--emo-vector", "1,2"], "8 numbers"),
        (["--output", "."], "is a folder"),
        (["--output", "out.docx"], "must end in one of .wav, .flac, .mp3, .ogg, .opus"),
        (["--output", "/dev/null/out.wav"], "/dev/null/out.wav cannot be written"),
        (["--subtitles", "out.txt"], ".srt or .vtt"),
        (["--text", "check"], "give the text once"),
        (["--text", ""], "give the text once"),
        (["--seed", "-1"], "whole number"),
        (["--top-k", "1.5"], "is not a whole number"),
        (["--temperature", "warm"], "is not a number"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All of them are noticed before a model is loaded: there is none."""
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["hello", "--model-dir", "none", *arguments])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_numbers_come_from_the_table_of_options(option: Option[float]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    speak.add_arguments(parser)
    name = "--" + option.name.replace("_", "-")
    for value in (option.maximum, option.default):
        parsed = getattr(parser.parse_args(["x", name, str(value)]), option.name)
        assert (parsed, type(parsed)) == (value, type(option.default))
    for value in (option.maximum + 1, option.minimum - 1):
        with pytest.raises(argparse.ArgumentError, match=option.name):
            parser.parse_args(["x", f"{name}={value}"])
    shown = " ".join(parser.format_help().split())
    assert f"{option.meaning} {option.bounds}" in shown


def test_the_help_tells_both_defaults_of_the_first_segments() -> None:
    parser = argparse.ArgumentParser()
    speak.add_arguments(parser)
    shown = " ".join(parser.format_help().split())
    assert f"0 to 600 (0; {STREAM_QUICK_TOKENS} with -o -)" in shown


@pytest.mark.parametrize(("text", "voice"), [("Hello.", "en_female"), ("你好。", "zh_female")])
def test_a_voice_is_there_without_a_word(
    tiny_model_dir: Path,
    tmp_path: Path,
    text: str,
    voice: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = [text, "--model-dir", str(tiny_model_dir), "--seed", "3", "-q"]
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    assert main([*common, "-o", str(first)]) == 0
    assert f"the voice is {voice}.flac" in capsys.readouterr().err
    assert main([*common, "-o", str(second), "-s", str(speak.VOICES / f"{voice}.flac")]) == 0
    assert first.read_bytes() == second.read_bytes()


def test_an_installation_without_clips_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speak, "VOICES", tmp_path)
    assert main(["hello", "-o", str(tmp_path / "out.wav")]) == 1
    assert "--speaker FILE" in capsys.readouterr().err


def test_a_missing_model_says_how_to_get_it(
    speaker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tmp_path / "none")
    assert main(["hello", "--speaker", str(speaker), "--model-dir", model]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"indextts download --dir {model}" in error


def test_the_class_goes_to_the_engine(
    speaker: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    class Engine:
        def __init__(self, *_: object, quality: str, **__: object) -> None:
            asked.append(quality)
            raise ConfigError("enough seen")

    monkeypatch.setattr("indextts.infer_v2.IndexTTS2", Engine)
    arguments = ["Hello.", "--speaker", str(speaker), "-q"]
    assert main(arguments) == main([*arguments, "--quality", "fast"]) == 1
    assert asked == ["exact", "fast"]
    with pytest.raises(SystemExit):
        main([*arguments, "--quality", "best"])
    assert "invalid choice: 'best'" in capsys.readouterr().err
