"""The first filling of the folder."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from app.voices.bundled import prepare
from app.voices.store import VoiceStore
from tests.app.conftest import EXAMPLES

OPENAI_NAMES = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx"),
    *("sage", "shimmer", "verse"),
)


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    folder = tmp_path / "bundled"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.flac").write_bytes(name.encode())
        (folder / f"{name}.json").write_text("{}")
    (folder / "aliases.yaml").write_text("default: two")
    return folder


def test_what_comes_with_the_program() -> None:
    store = VoiceStore(EXAMPLES)
    assert set(store.listing().aliases) == {*OPENAI_NAMES, "default"}
    assert {"en_female", "en_male", "zh_female", "emotion_calm", "emotion_excited"} <= set(
        store.names()
    )
    for voice in store.listing().voices:
        told = voice.sidecar
        assert told.name == voice.name
        assert told.language in ("en", "zh")
        assert told.description
        assert "Kokoro" in told.consent
        assert told.sha256 == hashlib.sha256(store.read(voice.name)).hexdigest()


def test_a_missing_or_empty_folder_is_filled(tmp_path: Path, bundled: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".gitkeep").touch()
    (tmp_path / "empty" / "lost+found").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "some" / "where"):
        found = prepare(folder, bundled)
        assert (found.folder, found.in_place) == (folder, False)
        store = VoiceStore(folder)
        assert store.names() == ["one", "two"]
        assert store.find("default").name == "two"


def test_what_is_there_stays_alone(tmp_path: Path, bundled: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "mine.wav").write_bytes(b"x")
    prepare(folder, bundled)
    assert [path.name for path in folder.iterdir()] == ["mine.wav"]


def test_voices_that_were_removed_do_not_come_back(tmp_path: Path, bundled: Path) -> None:
    folder = tmp_path / "voices"
    prepare(folder, bundled)
    for path in folder.glob("[ot]*"):
        path.unlink()
    prepare(folder, bundled)
    assert VoiceStore(folder).names() == []


def test_a_filling_that_was_cut_off_is_completed(tmp_path: Path, bundled: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "one.flac").write_bytes(b"one")
    (folder / ".part-0123").write_bytes(b"tw")
    prepare(folder, bundled)
    assert VoiceStore(folder).names() == ["one", "two"]
    assert not list(folder.glob(".part-*"))


def test_a_folder_that_cannot_be_made_is_served_in_place(bundled: Path) -> None:
    found = prepare(Path("/proc/voices"), bundled)  # where not even root can make one
    assert (found.folder, found.in_place) == (bundled, True)


def test_without_bundled_voices_nothing_happens(tmp_path: Path) -> None:
    found = prepare(tmp_path / "voices", tmp_path / "missing")
    assert (found.folder, found.in_place) == (tmp_path / "voices", False)
    assert not (tmp_path / "voices").exists()


def test_workers_that_start_at_the_same_moment(tmp_path: Path, bundled: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.voices.bundled import prepare;"
        "sys.stdin.read(); found = prepare(Path(sys.argv[1]), Path(sys.argv[2]));"
        "assert not found.in_place"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "voices"), str(bundled)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    assert [worker.wait(30) for worker in workers] == [0] * 4
    assert sorted(path.name for path in (tmp_path / "voices").iterdir()) == sorted(
        [".lock", *(path.name for path in bundled.iterdir())]
    )
