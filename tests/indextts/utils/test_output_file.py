"""Outputs are refused before the work, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from indextts.cli.outputs import SubtitleOutput
from indextts.errors import OutputError
from indextts.utils.audio_file import write_wav
from indextts.utils.encode import FILE_FORMATS
from indextts.utils.output_file import SoundFile, check_writable, write_output

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


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """As under ``ulimit -f``: no file may grow above so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_sound(path: Path) -> None:
    SoundFile(path).write(np.zeros(RATE, np.float32), RATE)


def write_plain_wav(path: Path) -> None:
    write_wav(path, np.zeros(RATE, np.float32), RATE)


def write_cues(path: Path) -> None:
    SubtitleOutput(path.rename(path.with_suffix(".vtt"))).finish()


@pytest.mark.parametrize(
    ("write", "limit"), [(write_sound, 8192), (write_plain_wav, 8192), (write_cues, 1)]
)
def test_what_cannot_be_written_to_its_end_leaves_the_old_file(
    tmp_path: Path, write: Callable[[Path], None], limit: int
) -> None:
    (tmp_path / "out.wav").write_bytes(b"before")
    named = r"out\.(wav|vtt) cannot be written: File too large"
    with small_files(limit), pytest.raises(OutputError, match=named):
        write(tmp_path / "out.wav")
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"before"


def test_an_interruption_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"before")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_output(path, b"after")
    assert [path] == list(tmp_path.iterdir())
    assert path.read_bytes() == b"before"


def test_permissions_are_those_of_the_old_file_or_the_usual_ones(tmp_path: Path) -> None:
    old, new, usual = (tmp_path / name for name in ("old", "new", "usual"))
    old.touch()
    old.chmod(0o604)
    usual.touch()
    for path in (old, new):
        write_output(path, b"sound")
    assert stat.S_IMODE(old.stat().st_mode) == 0o604
    assert new.stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, there: bool) -> None:
    link, target = tmp_path / "link.wav", tmp_path / "folder" / "target.wav"
    link.symlink_to("folder/target.wav")
    if there:
        target.parent.mkdir()
        target.write_bytes(b"before")
    check_writable(link)
    assert link.is_symlink()
    assert target.exists() is there
    write_output(link, b"after")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"
    assert [target] == list(target.parent.iterdir())


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.wav"
    link.symlink_to("link.wav")
    with pytest.raises(OutputError, match=r"link\.wav cannot be written: Too many levels"):
        check_writable(link)
    assert link.is_symlink()


def test_a_fifo_is_written_to_and_not_opened_before(tmp_path: Path) -> None:
    path, heard = tmp_path / "out.wav", list[bytes]()
    os.mkfifo(path)
    check_writable(path)
    listener = threading.Thread(target=lambda: heard.append(path.read_bytes()))
    listener.start()
    write_output(path, b"sound")
    listener.join(20)
    assert heard == [b"sound"]
    assert path.is_fifo()


def test_standard_output_as_a_file_is_written_to() -> None:
    reader, writer = os.pipe()
    path = Path(f"/dev/fd/{writer}")
    check_writable(path)
    write_output(path, b"sound")
    os.close(writer)
    with os.fdopen(reader, "rb") as heard:
        assert heard.read() == b"sound"


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_file_that_cannot_be_replaced_is_written_in_place(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is read-only, a file that is mounted."""
    path = tmp_path / "out.wav"
    path.write_bytes(b"before")
    number, usual = path.stat().st_ino, getattr(Path, step)

    def refused(part: Path, *arguments: Any, **options: Any) -> Any:
        if part.suffix == ".part":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return usual(part, *arguments, **options)

    monkeypatch.setattr(Path, step, refused)
    write_output(path, b"after")
    assert (path.read_bytes(), path.stat().st_ino) == (b"after", number)
    assert [path] == list(tmp_path.iterdir())
