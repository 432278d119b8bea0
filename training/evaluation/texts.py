"""What is spoken to find out how good a model is; none of it is in a training text.

The thirty sentences a language of ``test_*.txt`` judge the final model.  Every decision before that
is made on ``everyday_*.txt``: seventy texts a language of eight kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from training.steps.texts import LANGUAGES, test_sentences


@dataclass(frozen=True)
class EvaluationText:
    """A text to speak.

    Attributes:
        name: of its sound file, without suffix.
        language: "en" or "zh".
        number: among those of its language, from 0; chooses the voice.
        kind: "sentence", or the kind that ``everyday_*.txt`` gives.
    """

    name: str
    language: str
    number: int
    kind: str
    text: str


def sentences(limit: int) -> list[EvaluationText]:
    """The final test: the first `limit` sentences of each language."""
    return [
        EvaluationText(f"{language}{number:02d}", language, number, "sentence", text)
        for language in LANGUAGES
        for number, text in enumerate(test_sentences(language)[:limit])
    ]


def everyday(limit: int) -> list[EvaluationText]:
    """Texts of all kinds, at most `limit` of each kind and language."""
    found = []
    for language, name in LANGUAGES.items():
        file = resources.files("training.texts") / f"everyday_{name}.txt"
        counts: dict[str, int] = {}
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            kind, text = line.split("\t")
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= limit:
                found.append(
                    EvaluationText(f"{language}-{number:02d}", language, number, kind, text)
                )
    return found
