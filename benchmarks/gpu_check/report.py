"""All findings as one Markdown table and as a JSON file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gpu_check.rows import Outcome, Row, number

FORMAT = 1


@dataclass(frozen=True)
class PartResult:
    """A part that has ended, in whatever way."""

    name: str
    group: str
    seconds: float
    rows: tuple[Row, ...]

    @property
    def failed(self) -> int:
        return sum(row.outcome is Outcome.FAILED for row in self.rows)

    @property
    def verdict(self) -> str:
        if self.failed:
            return "FAILED"
        skipped = all(row.outcome is Outcome.SKIPPED for row in self.rows)
        return "skipped" if skipped else "ok"


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        started: seconds since the epoch.
        seconds: how long it took.
        dry_run: whether its figures mean nothing.
        weights: which model.
        parts: in order.
    """

    started: float
    seconds: float
    dry_run: bool
    weights: str
    parts: tuple[PartResult, ...]

    @property
    def passed(self) -> bool:
        return not any(part.failed for part in self.parts)


def markdown(report: Report) -> str:
    """The table, with a heading that says what was run, when, and how it ended."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    when = time.strftime("%d %B %Y %H:%M UTC", time.gmtime(report.started))
    failed = sum(part.failed for part in report.parts)
    yield ""
    yield f"GPU check, {when}, {report.seconds:.0f} s, {report.weights}" + (
        "; a dry run: its figures mean nothing" if report.dry_run else ""
    )
    yield f"**{failed} failed**" if failed else "**All is well**"
    yield ""
    yield "| part | what | result | floor | of the floor | remarks |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for part in report.parts:
        cells = (f"**{part.name}**", "", f"**{part.verdict}**", "", "", f"{part.seconds:.1f} s")
        yield _row(*cells)
        for row in part.rows:
            yield _row(part.name, row.name, _result(row), *_floor(row), row.note)


def _result(row: Row) -> str:
    figure = "" if row.value is None else f"{number(row.value)} {row.unit}".strip()
    if row.outcome is Outcome.MEASURED:
        return figure
    return " ".join(filter(None, (str(row.outcome), figure)))


def _floor(row: Row) -> tuple[str, str]:
    """The floor, and how many times as much was needed."""
    if row.floor is None or not row.value:
        return "", ""
    return f"{number(row.floor)} {row.unit}", f"x {row.value / row.floor:.1f}" if row.floor else ""


def _row(*cells: str) -> str:
    """A line of the table; what would end a cell or the line is taken out."""
    safe = (cell.replace("|", "/").replace("\n", " ") for cell in cells)
    return "| " + " | ".join(safe) + " |"


def write_json(report: Report, path: Path) -> None:
    """Everything, with the traces of what was raised."""
    parts = [asdict(part) | {"verdict": part.verdict} for part in report.parts]
    content = asdict(report) | {"format": FORMAT, "passed": report.passed, "parts": parts}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
