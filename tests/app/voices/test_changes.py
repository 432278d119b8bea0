"""Adding and removing: whole voices or none, whoever else is writing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.voices import store as store_module
from app.voices import writing
from app.voices.errors import (
    BadVoiceNameError,
    UnknownVoiceError,
    VoiceExistsError,
    VoicesBusyError,
    VoiceStorageError,
)
from app.voices.store import NewVoice, VoiceStore
from app.voices.voice import Sidecar
from tests.app.voices.hostile import HOSTILE_NAMES, IDS
from tests.app.voices.test_store import listing

ANNA = NewVoice("anna", b"clip of anna", ".flac", "en", "A test", "Anna said yes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "voices"


def test_a_voice_with_its_sidecar(folder: Path) -> None:
    voice = VoiceStore(folder).add(ANNA)
    digest = hashlib.sha256(ANNA.clip).hexdigest()
    assert voice.sidecar == Sidecar("anna", "en", "A test", "", "Anna said yes", digest)
    other = VoiceStore(folder)
    assert other.find("anna") == voice
    assert other.read("anna") == ANNA.clip
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "anna.flac", "anna.json"]


def test_files_have_the_permissions_that_the_umask_says(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        VoiceStore(folder).add(ANNA)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.glob("anna*")} == {0o640}


def test_names_are_stored_composed(folder: Path) -> None:
    VoiceStore(folder).add(NewVoice("Zoe\u0308", b"x", ".wav"))
    assert (folder / "Zo\u00eb.wav").read_bytes() == b"x"


def test_a_taken_name_changes_nothing(folder: Path) -> None:
    store = VoiceStore(folder)
    store.add(ANNA)
    before = listing(folder)
    for name in ("anna", "ANNA"):
        with pytest.raises(VoiceExistsError, match="a voice 'anna' already"):
            store.add(NewVoice(name, b"other", ".wav"))
    assert listing(folder) == before


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=IDS)
def test_hostile_names_write_nothing(folder: Path, name: str) -> None:
    folder.mkdir()
    for path in (folder.parent / "canary.flac", folder / "canary.txt", folder.parent / "canary"):
        path.write_bytes(b"secret")
    before = listing(folder.parent)
    store = VoiceStore(folder)
    with pytest.raises(BadVoiceNameError):
        store.add(NewVoice(name, b"x", ".flac"))
    with pytest.raises(BadVoiceNameError):
        store.remove(name)
    assert listing(folder.parent) == before


def test_a_suffix_must_be_one_of_a_clip(folder: Path) -> None:
    with pytest.raises(ValueError, match="suffix"):
        VoiceStore(folder).add(NewVoice("anna", b"x", ".json"))


def test_removal_takes_everything_of_the_voice(folder: Path) -> None:
    store = VoiceStore(folder)
    store.add(ANNA)
    (folder / "ANNA.wav").write_bytes(b"a second clip, by hand")
    (folder / "annabel.flac").write_bytes(b"x")
    assert store.remove("Anna") in ("anna", "ANNA")
    assert store.names() == ["annabel"]
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "annabel.flac"]
    with pytest.raises(UnknownVoiceError):
        store.remove("anna")


def test_links_are_neither_written_through_nor_removed(folder: Path) -> None:
    folder.mkdir()
    target = folder.parent / "canary"
    target.write_bytes(b"secret")
    (folder / "anna.json").symlink_to(target)
    (folder / "anna.flac").symlink_to(target)
    store = VoiceStore(folder)
    with pytest.raises(UnknownVoiceError):
        store.remove("anna")
    store.add(ANNA)
    assert target.read_bytes() == b"secret"
    assert not (folder / "anna.flac").is_symlink()
    assert store.read("anna") == ANNA.clip


def test_a_lock_that_is_a_link_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / ".lock").symlink_to(folder.parent / "canary")
    with pytest.raises(VoiceStorageError):
        VoiceStore(folder).add(ANNA)
    assert not (folder.parent / "canary").exists()


def test_there_may_be_so_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_VOICES", 2)
    store = VoiceStore(folder)
    for name in ("a", "b"):
        store.add(NewVoice(name, b"x", ".wav"))
    with pytest.raises(VoiceStorageError) as caught:
        store.add(NewVoice("c", b"x", ".wav"))
    assert caught.value.full


def test_two_writers_of_one_name(folder: Path) -> None:
    """Each with a store of its own, as two instances have."""
    barrier = threading.Barrier(8)

    def add(number: int) -> int | None:
        new = NewVoice("anna", f"clip {number}".encode() * 1000, (".wav", ".flac")[number % 2])
        barrier.wait(10)
        try:
            VoiceStore(folder).add(new)
        except VoiceExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(add, range(8)) if number is not None]
    (winner,) = winners
    store = VoiceStore(folder)
    assert store.read("anna") == f"clip {winner}".encode() * 1000
    assert store.find("anna").sidecar.sha256 == hashlib.sha256(store.read("anna")).hexdigest()
    assert len(list(folder.glob("anna.*"))) == 2


def test_a_lock_that_is_held_too_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = VoiceStore(folder)
    store.add(ANNA)
    monkeypatch.setattr(writing, "LOCK_SECONDS", 0.1)
    with (folder / ".lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for change in (
            lambda: store.add(NewVoice("bob", b"x", ".wav")),
            lambda: store.remove("anna"),
        ):
            with pytest.raises(VoicesBusyError):
                change()
        assert store.read("anna") == ANNA.clip, "readers wait for nobody"


# Where a writer may be killed: at the nth call of a function of the operating system.
STEPS = [(name, count) for name in ("fsync", "open") for count in range(1, 6)] + [
    ("rename", 1),
    ("rename", 2),
]
DYING_WRITER = """
import os, signal, sys
from pathlib import Path
name, count = sys.argv[2], int(sys.argv[3])
def dying(real, left=[count]):
    def call(*args, **more):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **more)
    return call
from app.voices.store import NewVoice, VoiceStore
if name == "rename":
    Path.replace = dying(Path.replace)
else:
    setattr(os, name, dying(getattr(os, name)))
VoiceStore(Path(sys.argv[1])).add(NewVoice("anna", b"clip of anna", ".flac", consent="yes"))
"""


@pytest.mark.parametrize(("name", "count"), STEPS)
def test_a_writer_that_dies_leaves_all_or_nothing(folder: Path, name: str, count: int) -> None:
    store = VoiceStore(folder)
    store.add(NewVoice("bob", b"clip of bob", ".wav"))
    command = [sys.executable, "-c", DYING_WRITER, str(folder), name, str(count)]
    died = subprocess.run(command, timeout=60, check=False).returncode
    assert died in (0, -signal.SIGKILL)
    if "anna" in store.names():
        assert store.read("anna") == b"clip of anna"
        assert store.find("anna").sidecar.consent == "yes"
        store.remove("anna")
    # The next writer is kept from nothing, and tidies up.
    store.add(NewVoice("anna", b"another", ".mp3"))
    assert store.names() == ["anna", "bob"]
    assert not list(folder.glob(".part-*"))
    assert sorted(path.name for path in folder.glob("anna*")) == ["anna.json", "anna.mp3"]


def test_readers_see_whole_voices_only(folder: Path) -> None:
    """While one adds and removes, others list, find and read."""
    store = VoiceStore(folder)
    clip = bytes(range(256)) * 500
    digest = hashlib.sha256(clip).hexdigest()
    over = threading.Event()
    seen = []

    def read() -> None:
        own = VoiceStore(folder)
        while not over.is_set():
            for voice in own.listing().voices:
                seen.append(voice.sidecar.sha256 in (digest, ""))
            try:
                seen.append(own.read("anna") == clip)
            except UnknownVoiceError:
                continue

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(30):
            store.add(NewVoice("anna", clip, ".flac", consent="yes"))
            store.remove("anna")
    finally:
        over.set()
        for reader in readers:
            reader.join(10)
    assert all(seen)


@pytest.mark.parametrize("step", ["write_file", "remove_files"])
def test_a_failure_half_way_leaves_what_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = VoiceStore(folder)
    store.add(NewVoice("bob", b"clip of bob", ".wav"))
    before = listing(folder)
    real: Callable[..., None] = getattr(store_module, step)
    calls = []

    def fail_second(*args: object) -> None:
        calls.append(args)
        if len(calls) == (2 if step == "write_file" else 1):
            raise OSError(28, "No space left on device")
        real(*args)

    monkeypatch.setattr(store_module, step, fail_second)
    change = (lambda: store.add(ANNA)) if step == "write_file" else (lambda: store.remove("bob"))
    with pytest.raises(VoiceStorageError):
        change()
    assert listing(folder) == before
