"""benchmarks/gpu.py as a person runs it, at tiny size on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu_check.catalogue import PARTS
from tests.bare_machine import ABSENT, PREAMBLE

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        capture_output=True,
        text=True,
        timeout=280,
        env=os.environ | environment,
    )


@pytest.mark.slow
def test_the_dry_run_is_green_on_a_bare_machine(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PREAMBLE, encoding="utf-8")
    output, table = tmp_path / "out" / "gpu.json", tmp_path / "table.md"
    done = call(
        *("--dry-run", "--output", str(output), "--markdown", str(table), "--seconds", "270"),
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    assert found["passed"] is True
    assert found["dry_run"] is True
    assert [part["name"] for part in found["parts"]] == [part.name for part in PARTS]
    skipped = {part["name"] for part in found["parts"] if part["verdict"] == "skipped"}
    assert skipped <= {"peaks", "deepspeed"}
    software = found["parts"][0]["rows"][0]["note"]
    assert not set(ABSENT) & set(software.replace(",", "").split())
    assert table.read_text(encoding="utf-8") == done.stdout
    for name in ("graphs", "stages", "steps", "batch"):
        assert f"| {name} | " in done.stdout
    assert "engine: ok after" in done.stderr


def test_help_and_list_say_what_there_is() -> None:
    help_text = call("--help").stdout
    for option in ("--dry-run", "--only", "--model-dir", "--output", "--list"):
        assert option in help_text
    listed = call("--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [part.name for part in PARTS]


@pytest.mark.parametrize(
    "words", [("--only", "nothing"), ("--inject", "engine=rust"), ("--inject", "nobody=hang")]
)
def test_wrong_arguments_are_refused(words: tuple[str, ...]) -> None:
    done = call("--dry-run", *words)
    assert done.returncode == 2
    assert words[0] in done.stderr or "--list names them" in done.stderr
