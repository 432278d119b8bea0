"""A corpus of readings: what people send, and what a person would say.

One table a language.  A line is ``written TAB spoken``; ``#`` without a tab begins a section.
``\\n`` and ``\\uXXXX`` in the first column stand for characters that nobody could see.
"""

from __future__ import annotations

import re
from pathlib import Path

TABLES = ("english", "chinese", "mixed")
_ESCAPE = re.compile(r"\\n|\\u([0-9a-f]{4})")


def readings(table: str) -> dict[str, list[tuple[str, str]]]:
    """Section -> pairs of written and spoken text."""
    sections: dict[str, list[tuple[str, str]]] = {}
    lines: list[tuple[str, str]] = []
    path = Path(__file__).with_name(f"{table}.tsv")
    for line in path.read_text(encoding="utf-8").splitlines():
        written, tab, spoken = line.partition("\t")
        if not tab:
            lines = sections.setdefault(line.removeprefix("# "), [])
        else:
            lines.append((_ESCAPE.sub(_character, written), spoken))
    return sections


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else "\n"
