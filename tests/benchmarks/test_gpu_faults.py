"""Every part of benchmarks/gpu.py is seen to fail, and what follows it is still done."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.gpu_check import runner as runner_module
from benchmarks.gpu_check.catalogue import PARTS, Part, choose
from benchmarks.gpu_check.child import run_part
from benchmarks.gpu_check.cli import parser
from benchmarks.gpu_check.faults import Fault
from benchmarks.gpu_check.report import PartResult, Report, markdown, write_json
from benchmarks.gpu_check.rows import Outcome, Row, Rows, read_rows
from benchmarks.gpu_check.runner import Runner

pytestmark = pytest.mark.slow

COMPARING = ("graphs", "flow", "engine", "stages", "robust")
COMPUTING = (*COMPARING, "loop", "steps", "speed", "batch", "peaks", "fallback")

Run = Callable[[str, Fault | None], list[Row]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A part in this process, which is quicker, without what its fault has changed."""
    attention = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attention)

    def run(part: str, fault: Fault | None) -> list[Row]:
        rows = tmp_path / f"{part}.jsonl"
        args = parser().parse_args(["--dry-run", "--part", part, "--rows", str(rows)])
        assert run_part(args, fault) == 0
        return read_rows(rows)

    return run


def failed(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.outcome is Outcome.FAILED]


@pytest.mark.parametrize("part", [part.name for part in PARTS])
def test_an_exception_is_a_failed_row(run: Run, part: str) -> None:
    (row,) = run(part, Fault.EXCEPTION)
    assert row.outcome is Outcome.FAILED
    assert "an exception was injected" in row.note
    assert "Traceback" in row.trace


@pytest.mark.parametrize("part", COMPARING)
def test_a_wrong_scale_is_seen(run: Run, part: str) -> None:
    broken = failed(run(part, Fault.SCALE))
    assert broken
    # By comparison, not by an error on the way.
    assert not any(row.trace for row in broken)


@pytest.mark.parametrize("part", COMPUTING)
def test_a_missing_kernel_is_seen(run: Run, part: str) -> None:
    broken = failed(run(part, Fault.KERNEL))
    assert broken
    # The service's engine thread gives up a device that fails like this.
    told = "EngineLostError" if part == "fallback" else "no kernel image"
    assert any(told in row.note for row in broken)


def part_of(name: str, seconds: float = 60.0) -> Part:
    return replace(choose([name])[0], seconds=seconds)


def runner_with(*injected: str, seconds: float = 120.0) -> tuple[Runner, io.StringIO]:
    progress = io.StringIO()
    words = ["--dry-run", *(word for text in injected for word in ("--inject", text))]
    return Runner(words, seconds, progress), progress


def test_a_part_that_hangs_is_killed_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_module, "LEAST_SECONDS", 0.0)
    runner, progress = runner_with("environment=hang")
    late = runner.run(part_of("environment", 4.0))
    assert late.verdict == "FAILED"
    row = late.rows[-1]
    assert "late: not done after 4 s; killed" in row.note
    # The stacks of its threads say where it was.
    assert "most recent call first" in row.trace
    assert "environment: FAILED" in progress.getvalue()
    healthy, _ = runner_with("engine=hang")
    assert healthy.run(part_of("environment")).verdict == "ok"


def test_a_part_that_crashes_is_reported_and_its_rows_are_kept() -> None:
    runner, _ = runner_with("environment=crash")
    crashed = runner.run(part_of("environment"))
    assert crashed.verdict == "FAILED"
    assert "SIGSEGV" in crashed.rows[-1].note
    assert "Segmentation fault" in crashed.rows[-1].trace


def test_time_that_is_used_up_and_packages_that_are_missing_are_reported() -> None:
    runner, _ = runner_with(seconds=0.0)
    (row,) = runner.run(part_of("engine")).rows
    assert row.outcome is Outcome.FAILED
    assert "no time was left" in row.note
    (row,) = runner.run(replace(part_of("engine"), needs=("no_such_package",))).rows
    assert row.outcome is Outcome.SKIPPED
    assert row.note == "no_such_package is not installed"


def test_a_part_goes_on_behind_a_failure(tmp_path: Path) -> None:
    rows = Rows("part", tmp_path / "rows.jsonl")
    with rows.guard("first"):
        raise ValueError("one\ntwo")
    rows.figure("second", float("nan"), "ms", note="odd")
    rows.check("third", True)
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"part": "part", "na')  # killed while it wrote
    first, second, third = read_rows(tmp_path / "rows.jsonl")
    assert (first.outcome, first.note) == (Outcome.FAILED, "ValueError: one")
    assert (second.value, second.note) == (None, "nan ms; odd")
    assert third.outcome is Outcome.OK


def test_the_table_and_the_file_hold_everything(tmp_path: Path) -> None:
    rows = (
        Row("a", "step", Outcome.MEASURED, 2.0, "ms", 0.5, "one | two"),
        Row("a", "right", Outcome.FAILED, 0.25, note="off", trace="Traceback"),
    )
    parts = (
        PartResult("a", "fast", 1.0, rows),
        PartResult("b", "right", 1.0, (Row("b", "x", Outcome.OK),)),
    )
    report = Report(0.0, 2.0, dry_run=False, weights="stand-in weights", parts=parts)
    text = markdown(report)
    assert "| a | step | 2 ms | 0.5 ms | x 4.0 | one / two |" in text
    assert "| a | right | FAILED 0.25 |  |  | off |" in text
    assert "**1 failed**" in text
    assert "| **b** |  | **ok** |" in text
    write_json(report, tmp_path / "gpu.json")
    content = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert content["passed"] is False
    assert content["parts"][0]["rows"][1]["trace"] == "Traceback"
