from __future__ import annotations

from pathlib import Path

import pytest

from indextts.errors import ModelFileError
from indextts.stages.text import load_glossary


def write(folder: Path, text: str) -> Path:
    path = folder / "glossary.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}"])
def test_empty(tmp_path: Path, content: str) -> None:
    assert load_glossary(write(tmp_path, content)).apply("a M2 b", "en") == "a M2 b"


def test_missing_file(tmp_path: Path) -> None:
    assert load_glossary(tmp_path / "glossary.yaml").apply("M2", "zh") == "M2"


def test_readings(tmp_path: Path) -> None:
    path = write(tmp_path, "M2: {en: em two, zh: M 二}\nM2 Pro: em two pro\nC++: {en: see plus}\n")
    glossary = load_glossary(path)
    assert (
        glossary.apply("an m2 pro, an M2 and XM2", "en") == "an em two pro, an em two and Xem two"
    )
    assert glossary.apply("m2", "zh") == "M 二"
    assert glossary.apply("c++", "en") == "see plus"
    # Without a reading in this language the term stays, in the table's spelling.
    assert glossary.apply("c++", "zh") == "C++"


def test_a_reading_is_no_template(tmp_path: Path) -> None:
    glossary = load_glossary(write(tmp_path, r"'a': '\1\n\g<0>'"))
    assert glossary.apply("a", "en") == r"\1\n\g<0>"


@pytest.mark.parametrize(
    "content", ["- a\n- b\n", "just text", "a: [1]", "a: 5", "a: {en: 5}", "a: {en: x", "a: \x00"]
)
def test_wrong_files(tmp_path: Path, content: str) -> None:
    with pytest.raises(ModelFileError, match=r"(?s)glossary\.yaml.*term: reading"):
        load_glossary(write(tmp_path, content))
