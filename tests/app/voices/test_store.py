from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from app.voices import store as store_module
from app.voices.errors import (
    BadVoiceNameError,
    UnknownVoiceError,
    VoiceError,
    VoiceStorageError,
)
from app.voices.folder import clips_in
from app.voices.store import VoiceStore
from app.voices.voice import Sidecar
from tests.app.voices.hostile import HOSTILE_NAMES, IDS

ANNA = Sidecar("anna", "en", "A test", "Anna said yes", "00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of voices beside things that are none of ours."""
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "anna.flac").write_bytes(b"clip of anna")
    (folder / "anna.json").write_bytes(ANNA.to_json())
    (folder / "Bob.WAV").write_bytes(b"clip of bob")
    for path in (tmp_path / "canary", tmp_path / "canary.flac", folder / "canary.txt"):
        path.write_bytes(b"secret")
    return folder


def listing(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its size and time of change."""
    found = {}
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(root))] = (stat.st_size, stat.st_mtime_ns)
    return found


def test_clips_are_voices_with_and_without_a_sidecar(folder: Path) -> None:
    store = VoiceStore(folder)
    assert store.names() == ["Bob", "anna"]
    bob, anna = store.listing().voices
    assert (anna.name, anna.sidecar) == ("anna", ANNA)
    assert bob.sidecar == Sidecar(name="Bob")
    assert store.read("anna") == b"clip of anna"


def test_case_and_composition_do_not_matter(folder: Path) -> None:
    (folder / "Zoe\u0308.flac").write_bytes(b"clip of zoe")  # as macOS may store it
    store = VoiceStore(folder)
    assert store.read("bOB") == b"clip of bob"
    assert store.find("zo\u00cb").name == "Zo\u00eb"


def test_what_is_no_voice(folder: Path) -> None:
    before = VoiceStore(folder).names()
    (folder / ".hidden.flac").write_bytes(b"x")
    (folder / ".part-12.flac").write_bytes(b"x")
    (folder / "two words.flac").write_bytes(b"x")
    (folder / "a.b.flac").write_bytes(b"x")
    (folder / "noext").write_bytes(b"x")
    (folder / "script.py").write_bytes(b"x")
    (folder / "orphan.json").write_bytes(b"{}")
    (folder / "sub.flac").mkdir()
    (folder / "link.flac").symlink_to(folder.parent / "canary.flac")
    (folder / "inner.flac").symlink_to("anna.flac")
    os.mkfifo(folder / "pipe.flac")
    assert VoiceStore(folder).names() == before


def test_a_file_that_becomes_a_link_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the opening, as an attacker with the folder would do it."""
    store = VoiceStore(folder)
    clips = clips_in(folder)
    (folder / "anna.flac").unlink()
    (folder / "anna.flac").symlink_to(folder.parent / "canary.flac")
    monkeypatch.setattr(store_module, "clips_in", lambda _: clips)
    with pytest.raises(VoiceStorageError):
        store.read("anna")
    (folder / "anna.flac").unlink()
    os.mkfifo(folder / "anna.flac")
    with pytest.raises(VoiceStorageError):
        store.read("anna")


def test_other_processes_are_seen_at_once(folder: Path) -> None:
    store = VoiceStore(folder)
    assert "carol" not in store.names()
    (folder / "carol.flac").write_bytes(b"1")
    assert store.read("carol") == b"1"
    (folder / "carol.json").write_text('{"language": "de"}')
    assert store.find("carol").sidecar.language == "de"
    (folder / "carol.json").write_text('{"language": "fr"}')
    assert store.find("carol").sidecar.language == "fr"
    (folder / "carol.flac").unlink()
    with pytest.raises(UnknownVoiceError):
        store.read("carol")


def test_an_unknown_voice_names_those_that_are_there(folder: Path) -> None:
    with pytest.raises(
        UnknownVoiceError, match=r"no voice 'carol'; there are Bob, anna\."
    ) as caught:
        VoiceStore(folder).find("carol")
    assert caught.value.names == ("Bob", "anna")
    for number in range(100):
        (folder / f"v{number}.wav").write_bytes(b"x")
    with pytest.raises(UnknownVoiceError, match="and 62 more") as caught:
        VoiceStore(folder).find("carol")
    assert len(caught.value.reason) < 500


def test_an_empty_or_missing_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        store = VoiceStore(path)
        assert store.names() == []
        with pytest.raises(UnknownVoiceError, match="this server has none"):
            store.find("default")


def test_a_folder_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VoiceStorageError) as caught:
        VoiceStore(tmp_path / "file").names()
    assert str(tmp_path) not in caught.value.reason
    assert str(tmp_path) in caplog.text


@pytest.mark.parametrize("sidecar", [b"", b"{", b"[]", b'{"language": 1}', b"\xff", b"[" * 10_000])
def test_a_broken_sidecar_costs_the_details_only(
    folder: Path, sidecar: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "anna.json").write_bytes(sidecar)
    store = VoiceStore(folder)
    with caplog.at_level(logging.WARNING):
        assert store.find("anna").sidecar == Sidecar()
        assert store.find("anna").name == "anna"
    assert caplog.text.count("anna.json is passed over") == 1


def test_a_sidecar_keeps_to_its_fields(folder: Path) -> None:
    (folder / "anna.json").write_text(
        "\ufeff" + json.dumps({"language": "zh", "more": {"x": [1]}, "name": "other"}),
        encoding="utf-8",
    )
    voice = VoiceStore(folder).find("anna")
    assert (voice.name, voice.sidecar.language) == ("anna", "zh")


def test_a_clip_is_read_with_a_bound(folder: Path) -> None:
    assert VoiceStore(folder, max_bytes=4).read("anna") == b"clip "


# -- aliases and the fallback ----------------------------------------------------------------------


def test_aliases(folder: Path) -> None:
    (folder / "aliases.yaml").write_text(
        "alloy: anna\nEcho: BOB\nfable: nobody\ndefault: Bob\nanna: Bob\n"
    )
    store = VoiceStore(folder)
    assert store.find("Alloy").name == "anna"
    assert store.read("echo") == b"clip of bob"
    assert store.find("default").name == "Bob"
    assert store.find("anna").name == "anna", "a voice goes before an alias"
    assert store.listing().aliases == {"Echo": "Bob", "alloy": "anna", "default": "Bob"}
    assert store.names() == ["Bob", "anna"]
    with pytest.raises(UnknownVoiceError):
        store.find("fable")


@pytest.mark.parametrize("name", ["on", "NO", "007", "12", "2001-01-01", "2020-13-45", "null"])
def test_names_in_aliases_are_taken_as_they_are_written(folder: Path, name: str) -> None:
    (folder / f"{name}.wav").write_bytes(b"clip of a name")
    (folder / "aliases.yaml").write_text(f"default: {name}\n{name}_too: anna\n")
    assert VoiceStore(folder).find("default").name == name
    (folder / f"{name}.wav").unlink()
    (folder / "aliases.yaml").write_text(f"{name}: anna\n")
    assert VoiceStore(folder).find(name).name == "anna"
    assert VoiceStore(folder).listing().aliases == {name: "anna"}


def test_aliases_are_read_again_when_they_change(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = VoiceStore(folder)
    with pytest.raises(UnknownVoiceError):
        store.find("alloy")
    (folder / "aliases.yaml").write_text("alloy: anna")
    assert store.find("alloy").name == "anna"
    (folder / "aliases.yaml").write_text("alloy: [")
    assert store.find("alloy").name == "anna"
    assert store.find("alloy").name == "anna"
    assert caplog.text.count("aliases.yaml cannot be used") == 1
    (folder / "aliases.yaml").unlink()
    with pytest.raises(UnknownVoiceError):
        store.find("alloy")


@pytest.mark.parametrize(
    "text",
    [
        *("- a", "a:", ": anna", "a: !!int 1", "a: [anna]", "../a: anna", "a: ../b", "a: b: c"),
        "\tx",
        *("a: " + "b" * 70_000, "[" * 5_000, "a: &x {b: *x}", "!!python/object:os.system {}"),
        *("a: !!int x", "? [a]\n: b", "a: " + "9" * 5000),
    ],
)
def test_broken_aliases_are_reported_and_stop_nothing(
    folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "aliases.yaml").write_text(text)
    assert VoiceStore(folder).find("anna").name == "anna"
    assert VoiceStore(folder).listing().aliases == {}
    assert "aliases.yaml cannot be used" in caplog.text


def test_default_is_some_voice_where_no_alias_says_which(folder: Path) -> None:
    assert VoiceStore(folder).find("default").name == "Bob"
    (folder / "aliases.yaml").write_text("default: nobody")
    assert VoiceStore(folder).find("default").name == "Bob"


@pytest.mark.parametrize("name", ["nobody", "Microsoft Aria Online (Natural)", "../canary", ""])
def test_the_fallback_stands_in_for_every_name(folder: Path, name: str) -> None:
    (folder / "aliases.yaml").write_text("second: anna")
    assert VoiceStore(folder, fallback="second").find(name).name == "anna"


def test_a_fallback_that_is_missing(folder: Path) -> None:
    store = VoiceStore(folder, fallback="nobody")
    with pytest.raises(UnknownVoiceError, match="no voice 'carol'"):
        store.find("carol")
    with pytest.raises(BadVoiceNameError):
        store.find("../canary")


# -- hostile names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=IDS)
def test_hostile_names_touch_nothing(folder: Path, name: str) -> None:
    before = listing(folder.parent)
    store = VoiceStore(folder)
    for use in (store.find, store.read):
        with pytest.raises(VoiceError):
            use(name)
    assert listing(folder.parent) == before
