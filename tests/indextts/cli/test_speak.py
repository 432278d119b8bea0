from __future__ import annotations

from pathlib import Path

import pytest
import soundfile as sf

from indextts.cli import main
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hello", "--speaker", "nothing.wav"], "nothing.wav"),
        (["hello", "--emo-vector", "1,2", "--speaker", "x.wav"], "8 numbers"),
        (["hello"], "--speaker"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    assert code in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_missing_model_says_how_to_get_it(
    speaker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tmp_path / "none")
    assert main(["hello", "--speaker", str(speaker), "--model-dir", model]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"indextts download --dir {model}" in error
