"""Our rules with a grammar of three lines; with the real one see test_verbalizer."""

from __future__ import annotations

import re
from typing import Literal

import pytest

from indextts.stages.text.rules import read_chinese, read_decades, read_english


def never() -> None:
    """The check of a caller who waits."""


class FakeGrammar:
    """Reads the digit 5; tags English like wetext: words ``w``, marks ``p`` with their blanks."""

    def __init__(self) -> None:
        self.tagged: list[str] = []

    def tag(self, text: str, language: Literal["zh", "en"]) -> str:
        self.tagged.append(text)
        if language == "zh":
            return "".join(f'char {{ value: "{c}" }} ' for c in text)
        tokens = []
        for mark, word in re.findall(r"( *[^\w ]+ *)|(\w+)", text.strip()):
            if mark:
                escaped = mark.replace("\\", "\\\\").replace('"', '\\"')
                tokens.append(f'p {{ v: "{escaped}" }} ')
            else:
                tokens.append(f'w {{ v: "{word}" }} ')
        return "".join(tokens)

    def verbalize(self, tagged: str, language: Literal["zh", "en"]) -> str:
        values = re.findall(r'"([^"]*)"', tagged)
        digit = "五" if language == "zh" else "five"
        return ("" if language == "zh" else " ").join(digit if v == "5" else v for v in values)

    def simplify(self, text: str) -> str:
        return text.replace("體", "体")

    def half_width(self, text: str) -> str:
        return text.replace("，", ",")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("no 5, it's 5!", "no five, it's five!"),
        ('He said: "5 (five)" \\ 5', 'He said: "five (five)" \\ five'),
        ("a , 5 .b", "a , five .b"),
        ("(5) a", "( five) a"),
        ('"(5', '"( five'),
        ("we ended. Then 5 came.  ", "we ended. Then five came."),
        ("...", "..."),
    ],
)
def test_english_marks_stay_as_they_are(text: str, spoken: str) -> None:
    assert read_english(FakeGrammar(), text, never) == spoken


def test_chinese_keeps_blanks_in_front() -> None:
    assert read_chinese(FakeGrammar(), "  共5個， 字體  ", never) == "  共五個, 字体"


def test_plain_chinese_does_not_go_through_the_grammar() -> None:
    grammar = FakeGrammar()
    assert read_chinese(grammar, "你好，世界。共5人", never) == "你好,世界。共五人"
    assert grammar.tagged == ["共5人"]


@pytest.mark.parametrize(
    "answer", ["", 'w { v: "a', 'w { v: "a" } x', 'w { v: "a\\" }', "w { }", "nonsense"]
)
def test_malformed_answers_raise(answer: str) -> None:
    class Broken(FakeGrammar):
        def tag(self, text: str, language: Literal["zh", "en"]) -> str:
            return answer

    with pytest.raises(ValueError, match="no well-formed answer"):
        read_english(Broken(), "a", never)
    with pytest.raises(ValueError, match="no well-formed answer"):
        read_chinese(Broken(), "a", never)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("the 1980s.", "the nineteen eighties."),
        ("mid<H>1990s", "mid<H>nineteen nineties"),
        ("1900s and 1810s", "nineteen hundreds and eighteen tens"),
        ("2000s", "two thousands"),
        ("2010s", "2010s"),
        ("the 90s", "the 90s"),
        ("A1990s", "A1990s"),
        ("$1990s", "$1990s"),
        ("1990st", "1990st"),
        ("31990s", "31990s"),
    ],
)
def test_decades(text: str, spoken: str) -> None:
    assert read_decades(text) == spoken
