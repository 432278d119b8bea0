"""What is spoken to find out how good a model is.

``test_*.txt`` judge the final model: seventy-eight texts a language of nine kinds, thirty of them
short sentences.  Every decision before that is made on ``everyday_*.txt``: seventy texts a
language.  The step ``texts`` gives none of them to a training.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.steps.texts import LANGUAGES, hand_written

SHORT, PAGE = "short", "page"
# What the engine cuts into segments.
LONG_KINDS = frozenset({"paragraph", PAGE})


@dataclass(frozen=True)
class EvaluationText:
    """A text to speak.

    Attributes:
        name: of its sound file, without suffix.
        language: "en" or "zh".
        number: among those of its language, from 0; chooses the voice.
        kind: as the file gives it.
    """

    name: str
    language: str
    number: int
    kind: str
    text: str


def sentences(limit: int) -> list[EvaluationText]:
    """The first `limit` short sentences of each language of the final test."""
    return [text for text in final(limit) if text.kind == SHORT]


def final(limit: int) -> list[EvaluationText]:
    """The final test, at most `limit` of each kind and language."""
    return _of_kinds("test", limit)


def everyday(limit: int) -> list[EvaluationText]:
    """The development set, at most `limit` of each kind and language."""
    return _of_kinds("everyday", limit)


def _of_kinds(name: str, limit: int) -> list[EvaluationText]:
    found = []
    for language in LANGUAGES:
        counts: dict[str, int] = {}
        for number, (kind, text) in enumerate(hand_written(name, language)):
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= limit:
                found.append(
                    EvaluationText(f"{language}-{number:02d}", language, number, kind, text)
                )
    return found
