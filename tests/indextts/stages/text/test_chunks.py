from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indextts.stages.text.chunks import chinese_clauses, english_clauses

ALPHABET = "abcABC 1,.!?;: 年月我你。，！\n"


@given(st.text(alphabet=ALPHABET, max_size=600))
def test_nothing_is_lost(text: str) -> None:
    for clauses in (chinese_clauses, english_clauses):
        parts = list(clauses(text))
        assert "".join(parts) == text
        assert all(parts)
        assert all(len(part) <= 64 for part in parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("你好。再见，朋友！", ["你好。", "再见，", "朋友！"]),
        ("共1，234人", ["共1，234人"]),
        ("好.我 3.5元", ["好.", "我 3.5元"]),
    ],
)
def test_chinese(text: str, parts: list[str]) -> None:
    assert list(chinese_clauses(text)) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It ended. Then 5, no 6.", ["It ended. ", "Then 5, no 6."]),
        ("first, second and 3, fourth", ["first, ", "second and 3, fourth"]),
        ("Boston, MA", ["Boston, MA"]),
        ("On Jan. 5, 2024 Mr. Smith", ["On Jan. 5, 2024 Mr. Smith"]),
    ],
)
def test_english(text: str, parts: list[str]) -> None:
    assert list(english_clauses(text)) == parts


def test_a_long_clause_is_cut_between_plain_words() -> None:
    text = "the fifth of may was a very long day for all of them " * 3 + "and it cost 5 million"
    parts = list(english_clauses(text))
    assert len(parts) > 1
    assert all(part.endswith(" ") for part in parts[:-1])
    assert parts[-1].endswith("5 million")


def test_a_long_run_of_characters_is_not_cut_at_a_number() -> None:
    text = "春" * 100 + "共12345人" + "秋" * 100
    parts = list(chinese_clauses(text))
    assert len(parts) > 2
    assert any("12345人秋" in part for part in parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "The gateway is 192.168.0.1 and The server is at 192.168.1.20:8080 and See it.",
            ["The gateway is 192.168.0.1 and The server is ", "at 192.168.1.20:8080 and See it."],
        ),
        (
            "Expect a 10%-15% raise and She arrives 25/12 at 3 pm and 10 - 4 = 6.",
            ["Expect a 10%-15% raise and She arrives 25/12 at 3 pm ", "and 10 - 4 = 6."],
        ),
        ("1 2 " * 20, ["1 2 " * 16, "1 2 " * 4]),
    ],
)
def test_a_forced_cut_is_not_beside_a_number_where_there_are_words(
    text: str, parts: list[str]
) -> None:
    assert list(english_clauses(text)) == parts


def test_a_text_without_words_is_cut_anywhere() -> None:
    assert [len(part) for part in english_clauses("9" * 400)] == [64, 64, 64, 64, 64, 64, 16]
