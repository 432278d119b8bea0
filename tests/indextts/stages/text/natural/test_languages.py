from __future__ import annotations

import pytest

from indextts.stages.text.natural.languages import language_runs
from tests.indextts.stages.text.natural.conftest import never


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("I have @3 cats.", ["en"]),
        ("我有@3只猫。", ["zh"]),
        ("A4 @5", ["en"]),
        ("@5", ["zh"]),
        ("@5 $", ["en"]),
        ("In @5 we rose; 该公司@7年增长。", ["en", "zh"]),
        ("这本书有@15 pages。", ["zh"]),
        ("他说I have @3 apples就走了，共@5个。", ["en", "zh"]),
        ("点击about this phone @3次", ["zh"]),
        ("He said 谢谢 @2 times.", ["en"]),
        ("We met on @5月@3日 in Paris.", ["zh", "zh"]),
        ("好的。\n@20 km", ["zh"]),
        ("Fine.\n@20 km", ["en"]),
        ("用iPhone @15 Pro Max拍", ["zh"]),
    ],
)
def test_language_of_the_marked_numbers(text: str, languages: list[str]) -> None:
    places = [index - number for number, index in enumerate(_places(text))]
    runs = language_runs(text.replace("@", ""), never)
    assert [runs.at(place) for place in places] == languages


def _places(text: str) -> list[int]:
    return [index for index, character in enumerate(text) if character == "@"]
