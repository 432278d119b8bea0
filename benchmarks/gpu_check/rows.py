"""What a part finds out, row by row: written at once, so that a part that dies has been heard."""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    """What a row says."""

    OK = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"
    MEASURED = "measured"


@dataclass(frozen=True)
class Row:
    """One finding.

    Attributes:
        part: who found it.
        name: what was looked at.
        outcome: of a check, or MEASURED for a figure that is neither right nor wrong.
        value, unit: the figure, if there is one.
        floor: in the same unit, what this device could do at best.
        note: the rest of the sentence.
        trace: of the exception, for the JSON file.
    """

    part: str
    name: str
    outcome: Outcome
    value: float | None = None
    unit: str = ""
    floor: float | None = None
    note: str = ""
    trace: str = ""


class Rows:
    """The findings of one part, appended to a file as they come."""

    def __init__(self, part: str, path: Path) -> None:
        self.part = part
        self._path = path

    def check(
        self, name: str, passed: bool, note: str = "", value: float | None = None, unit: str = ""
    ) -> None:
        """Something that is right or wrong."""
        outcome = Outcome.OK if passed else Outcome.FAILED
        self._add(Row(self.part, name, outcome, value, unit, note=note))

    def figure(
        self, name: str, value: float, unit: str, floor: float | None = None, note: str = ""
    ) -> None:
        """Something measured."""
        self._add(Row(self.part, name, Outcome.MEASURED, value, unit, floor, note))

    def note(self, name: str, text: str) -> None:
        """Something that is neither right nor wrong and has no number."""
        self._add(Row(self.part, name, Outcome.MEASURED, note=text))

    def skip(self, name: str, reason: str) -> None:
        """Something that cannot be looked at here."""
        self._add(Row(self.part, name, Outcome.SKIPPED, note=reason))

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """What is raised inside becomes a failed row; the part goes on behind the block."""
        try:
            yield
        except Exception as error:
            self.error(name, error)

    def error(self, name: str, error: BaseException) -> None:
        """An exception as a failed row."""
        lines = str(error).strip().splitlines() or [""]
        trace = "".join(traceback.format_exception(error))
        note = f"{type(error).__name__}: {lines[0]}"
        self._add(Row(self.part, name, Outcome.FAILED, note=note, trace=trace))

    def _add(self, row: Row) -> None:
        if row.value is not None and not math.isfinite(row.value):
            # JSON knows no such number.
            row = replace(row, value=None, note=f"{row.value} {row.unit}; {row.note}")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        sys.stdout.write(line_of(row) + "\n")
        sys.stdout.flush()


def read_rows(path: Path) -> list[Row]:
    """The rows of a part; of a part that was killed while it wrote, those before."""
    rows: list[Row] = []
    if not path.is_file():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            break
        rows.append(Row(**content | {"outcome": Outcome(content["outcome"])}))
    return rows


def line_of(row: Row) -> str:
    """A row as a line of progress."""
    figure = "" if row.value is None else f" {number(row.value)} {row.unit}".rstrip()
    floor = "" if row.floor is None else f" (floor {number(row.floor)})"
    note = f" - {row.note}" if row.note else ""
    return f"{row.outcome:8} {row.name}:{figure}{floor}{note}"


def number(value: float) -> str:
    """Three digits that count, thousands in full."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
