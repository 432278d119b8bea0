"""Texts of all kinds are made from plain sentences."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from training.texts import shapes

PLAIN = {
    "en": ("The tea is cold.", "I know two doctors.", "Is it far from here?", "He sang, she left."),
    "zh": ("茶已经凉了。", "我认识两个医生。", "这里远不远？", "他来了，她走了。"),
}
LANGUAGES = {
    "en": shapes.english(),
    # Without a dictionary each character is a word.
    "zh": replace(shapes.mandarin(), words=lambda s: [c for c in s if c not in shapes.MARKS]),
}


def texts(language: str, seed: int = 1, count: int = 15_000) -> list[str]:
    plain = itertools.cycle(PLAIN[language])
    return list(itertools.islice(shapes.shaped(plain, LANGUAGES[language], seed), count))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_seed_decides_what_is_sent(language: str) -> None:
    assert texts(language, 1, 50) == texts(language, 1, 50)
    assert texts(language, 1, 50) != texts(language, 2, 50)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_shape_occurs(language: str) -> None:
    own, found = LANGUAGES[language], texts(language)
    lengths = [len(own.words(text)) for text in found]
    assert min(lengths) == 1
    # Two of the longest sentences and what joins them.
    assert max(lengths) >= 2 * max(len(own.words(s)) for s in PLAIN[language])
    assert set(PLAIN[language]) < set(found)
    assert set(own.interjections) < set(found)
    pairs = [f"{a}{own.blank}{b}" for a, b in itertools.permutations(PLAIN[language], 2)]
    assert set(pairs) & set(found)
    for part in (*own.joiners, own.last):
        assert any(part in text for text in found), part
    openings = {question.split("{}")[0] for question in own.questions if question[0] != "{"}
    assert all(any(text.startswith(opening) for text in found) for opening in openings)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_text_in_seven_has_no_closing_mark_and_some_end_in_a_comma(language: str) -> None:
    own = LANGUAGES[language]
    made = [text for text in texts(language) if text not in own.interjections]
    bare = sum(text[-1] not in shapes.MARKS for text in made) / len(made)
    comma = sum(text[-1] == own.comma for text in made) / len(made)
    assert bare == pytest.approx(shapes.OPEN, abs=0.03)
    assert comma == pytest.approx(shapes.COMMA, abs=0.02)


@pytest.mark.parametrize(
    ("sentence", "clause"),
    [
        ("The tea is cold.", "the tea is cold"),
        ("I know it.", "I know it"),
        ("I'm here!", "I'm here"),
        ("A dog barks.", "a dog barks"),
        ("NASA called?", "NASA called"),
        ("茶凉了。", "茶凉了"),
    ],
)
def test_a_clause_fits_into_a_sentence(sentence: str, clause: str) -> None:
    assert shapes.english().clause(sentence) == clause
