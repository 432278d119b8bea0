"""The optional table of readings beside the model (text.md 1.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from indextts.errors import ModelFileError

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

    Terms are found literally, in any case and also inside words.
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

    def apply(self, text: str, language: Language) -> str:
        """Replace every term of the table by its reading."""
        for pattern, reading in self._rules[language]:
            text = pattern.sub(reading, text)
        return text


def load_glossary(path: Path) -> Glossary:
    """Read ``glossary.yaml``; a missing or empty file gives an empty glossary.

    Raises:
        ModelFileError: the file is not YAML or does not have the shape above.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Glossary()
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ModelFileError(path, f"cannot be read: {error}", _SHAPE_HINT) from error
    if data is None:
        return Glossary()
    if not isinstance(data, Mapping):
        raise ModelFileError(path, "is not a table of terms.", _SHAPE_HINT)
    return Glossary(tuple(_entry(path, str(term), value) for term, value in data.items()))


def _entry(path: Path, term: str, value: object) -> GlossaryEntry:
    if isinstance(value, str):
        return GlossaryEntry(term, zh=value, en=value)
    if isinstance(value, Mapping):
        readings = {key: value.get(key) for key in ("zh", "en")}
        if all(reading is None or isinstance(reading, str) for reading in readings.values()):
            return GlossaryEntry(term, **readings)
    raise ModelFileError(path, f"the reading of {term!r} is no text.", _SHAPE_HINT)
