from __future__ import annotations

import pytest

from indextts.stages.text.characters import CharacterFolder, simplified_table
from indextts.stages.text.verbalizer import load_simplifier


@pytest.fixture(scope="module")
def folder() -> CharacterFolder:
    return CharacterFolder(simplified_table(load_simplifier()))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain, 纯文本。", "plain, 纯文本。"),
        ("café naïve Øre Straße Łódź", "cafe naive Ore Strasse Lodz"),
        ("ｆｕｌｌ　５０％", "full 50%"),
        ("a\u200bb\u00adc\ufeff\u202ed", "abcd"),
        ("a\r\nb\rc\u2028d\te", "a\nb\nc\nd e"),
        ("non‑breaking − minus – en — em", "non-breaking − minus – en — em"),
        ("㎡ ㎏ ℃ № ½ 2½ x² 10⁶", "m² kg °C No.  1/2 2 1/2 x² 10^6"),
        ("①Ⅳ", " 1，4"),
        ("👍🏽❤️", "☺☺☺"),
        ("lü4 nüe3 für", "lv4 nve3 fur"),
        ("٣", "3"),
        ("Привет 안녕", "Привет 안녕"),
    ],
)
def test_fold(folder: CharacterFolder, text: str, plain: str) -> None:
    assert folder.fold(text).text == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("後來皇后說這個", "后来皇后说这个"),
        ("看著這本著名的書", "看着这本著名的书"),
        ("乾隆說衣服乾了", "乾隆说衣服干了"),
        ("他著书，于是瞭望", "他著书，于是瞭望"),
        ("陶喆和李昇", "陶喆和李昇"),
    ],
)
def test_traditional(folder: CharacterFolder, text: str, plain: str) -> None:
    assert folder.fold(text).text == plain


def test_places(folder: CharacterFolder) -> None:
    text = "a\u200bé½後"
    folded = folder.fold(text)
    assert folded.text == "ae1/2后"
    assert [folded.place(i) for i in range(len(folded.text) + 1)] == [0, 2, 3, 3, 3, 4, 5]
