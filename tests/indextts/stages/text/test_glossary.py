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
    ("line", "text", "spoken"),
    [
        ("NO: {en: nitric oxide}", "a NO, false", "a nitric oxide, false"),
        ("on: {en: O N}", "true on", "true O N"),
        ("007: {en: double oh seven}", "007 and 7", "double oh seven and 7"),
        ("1_000: {en: kilo}", "1_000, 1000", "kilo, 1000"),
        ("1.50: {en: one fifty}", "1.50 and 1.5", "one fifty and 1.5"),
        ("1:30: {en: half past one}", "1:30 or 90", "half past one or 90"),
        ("2001-01-01: {en: the day}", "2001-01-01", "the day"),
        ("null: {en: nil}", "null, None", "nil, None"),
        ("~: {en: tilde}", "a ~", "a tilde"),
        ("<<: {en: less}", "a <<", "a less"),
        ("=: {en: equals}", "a =", "a equals"),
        ("N: yes", "n", "yes"),
        ("Y: {en: 010}", "y", "010"),
        ("X: {en: , zh: 一}", "x", "X"),
        ("X: {en: ''}", "a x.", "a ."),
    ],
)
def test_terms_and_readings_are_taken_as_they_are_written(
    tmp_path: Path, line: str, text: str, spoken: str
) -> None:
    assert load_glossary(write(tmp_path, line)).apply(text, "en") == spoken


@pytest.mark.parametrize(
    "content",
    [
        *("- a\n- b\n", "just text", "a: [1]", "a:", "a: {en: [5]}", "a: {en: x", "a: \x00"),
        *(": x", "? [a]\n: x", "a: !!int 5", "a: !!int x", "a: !!python/name:os.system"),
        "[" * 5000,
    ],
)
def test_wrong_files(tmp_path: Path, content: str) -> None:
    with pytest.raises(ModelFileError, match=r"(?s)glossary\.yaml.*term: reading"):
        load_glossary(write(tmp_path, content))
