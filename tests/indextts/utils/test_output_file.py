"""Outputs are refused before the work."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from indextts.errors import OutputError
from indextts.utils.encode import FILE_FORMATS
from indextts.utils.output_file import SoundFile, check_writable

RATE = 22050


@pytest.mark.parametrize("ending", FILE_FORMATS)
def test_each_format_holds_the_sound(tmp_path: Path, ending: str) -> None:
    tone = np.sin(np.arange(RATE, dtype=np.float32) * 0.1) * 0.5
    path = tmp_path / "new" / f"out.{ending}"
    SoundFile(path).write(tone.astype(np.float32), RATE)
    with sf.SoundFile(path) as file:
        samples, rate = file.read(), file.samplerate
        assert file.format == ("OGG" if ending == "opus" else ending.upper())
    assert len(samples) / rate == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.354, rel=0.1)


def test_a_name_without_an_ending_is_a_wav(tmp_path: Path) -> None:
    SoundFile(str(tmp_path / "out")).write(np.zeros(9, np.float32), RATE)
    assert (tmp_path / "out").read_bytes()[:4] == b"RIFF"


def test_checking_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    check_writable(path)
    assert not path.exists()
    path.write_bytes(b"before")
    check_writable(path)
    assert path.read_bytes() == b"before"


def test_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    (tmp_path / "folder.d").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        SoundFile(tmp_path / "folder.d")
    with pytest.raises(OutputError, match="cannot be written"):
        SoundFile(file / "out.wav")
    with pytest.raises(OutputError, match=r"must end in one of \.wav"):
        SoundFile(tmp_path / "out.m4a")

    def full(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match=r"out\.wav cannot be written: Read-only file system"):
        SoundFile(tmp_path / "out.wav")
