"""The optional table of readings beside the model (text.md 1.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from indextts.errors import ModelFileError
from indextts.utils.yaml_texts import load_texts

Language = Literal["zh", "en"]

_SHAPE_HINT = "Write 'term: reading' or 'term: {en: reading, zh: reading}' for each entry."


@dataclass(frozen=True)
class GlossaryEntry:
    """A term and its reading in each language; None leaves the term as it is written here."""

    term: str
    zh: str | None
    en: str | None


class Glossary:
    """Terms with a fixed reading, the longest term first.

    Terms are found literally and in any case; by the reference also inside words.
    """

    def __init__(self, entries: tuple[GlossaryEntry, ...] = ()) -> None:
        ordered = sorted((e for e in entries if e.term), key=lambda e: len(e.term), reverse=True)
        self._rules: dict[Language, list[tuple[re.Pattern[str], str]]] = {
            language: [
                (
                    re.compile(re.escape(e.term), re.IGNORECASE),
                    # In a replacement template only the backslash is special.
                    (reading if reading is not None else e.term).replace("\\", r"\\"),
                )
                for e in ordered
                for reading in (e.zh if language == "zh" else e.en,)
            ]
            for language in ("zh", "en")
        }
        self._readings: dict[str, Mapping[Language, str]] = {
            e.term.lower(): {
                "zh": e.term if e.zh is None else e.zh,
                "en": e.term if e.en is None else e.en,
            }
            for e in reversed(ordered)
        }
        self._whole_words = (
            re.compile("|".join(map(_whole_word, (e.term for e in ordered))), re.IGNORECASE)
            if ordered
            else None
        )

    def find(self, text: str) -> Iterator[tuple[int, int, Mapping[Language, str]]]:
        """Begin, end and readings of each term that stands in the text as a whole word."""
        if self._whole_words is None:
            return
        for match in self._whole_words.finditer(text):
            readings = self._readings.get(match[0].lower())
            if readings is not None:
                yield match.start(), match.end(), readings

    def apply(self, text: str, language: Language) -> str:
        """Replace every term of the table by its reading."""
        for pattern, reading in self._rules[language]:
            text = pattern.sub(reading, text)
        return text


def _whole_word(term: str) -> str:
    """A pattern that does not match inside a longer word of Latin letters and digits."""
    left = "(?<![A-Za-z0-9])" if re.match("[A-Za-z0-9]", term) else ""
    right = "(?![A-Za-z0-9])" if re.search("[A-Za-z0-9]$", term) else ""
    return f"{left}{re.escape(term)}{right}"


def load_glossary(path: Path) -> Glossary:
    """Read ``glossary.yaml``; a missing or empty file gives an empty glossary.

    Terms and readings are taken as they are written: ``NO``, ``on`` and ``007`` are words.

    Raises:
        ModelFileError: the file is not YAML or does not have the shape above.
    """
    try:
        data = load_texts(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Glossary()
    # A ValueError is a tag whose type the value does not fit, or text that is no UTF-8.
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise ModelFileError(path, f"cannot be read: {error}", _SHAPE_HINT) from error
    if data is None:
        return Glossary()
    if not isinstance(data, Mapping):
        raise ModelFileError(path, "is not a table of terms.", _SHAPE_HINT)
    return Glossary(tuple(_entry(path, term, value) for term, value in data.items()))


def _entry(path: Path, term: object, value: object) -> GlossaryEntry:
    if not isinstance(term, str):
        raise ModelFileError(path, f"the term {term!r} is no text.", _SHAPE_HINT)
    if isinstance(value, str):
        return GlossaryEntry(term, zh=value, en=value)
    if isinstance(value, Mapping):
        readings = {key: value.get(key) for key in ("zh", "en")}
        if all(reading is None or isinstance(reading, str) for reading in readings.values()):
            return GlossaryEntry(term, **readings)
    raise ModelFileError(path, f"the reading of {term!r} is no text.", _SHAPE_HINT)
