"""The tests that need CUDA: marked ``cuda`` in ``tests/``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.rows import Rows

ROOT = Path(__file__).resolve().parents[3]
MARK = "pytest.mark.cuda"
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|deselected)")


def run(rows: Rows, bench: Bench) -> None:
    files = marked_files(ROOT / "tests")
    if not files:
        rows.skip("tests", "none is marked")
        return
    words = [sys.executable, "-m", "pytest", "-v", "-rfEs", "-m", "cuda", "-p", "no:cacheprovider"]
    # Our options are strict, but a bare machine lacks the plugins that know some of them.
    words += ["--override-ini=addopts=", "-W", "ignore::pytest.PytestConfigWarning"]
    last = ""
    with subprocess.Popen(
        [*words, *map(str, files)],
        cwd=ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        text=True,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        # As they come: of a test that hangs the lines before it are heard.
        for line in process.stdout:
            sys.stdout.write(line)
            last = line if line.strip() else last
    found = {kind: int(count) for count, kind in _COUNT.findall(last)}
    note = ", ".join(f"{count} {kind}" for kind, count in found.items()) or "no summary"
    ran = found.get("passed" if bench.cuda else "skipped", 0) > 0
    rows.check("tests marked cuda", process.returncode == 0 and ran, note)


def marked_files(folder: Path) -> list[Path]:
    """Files that hold a mark: collecting the others would need packages that are not there."""
    return sorted(
        path for path in folder.rglob("test_*.py") if MARK in path.read_text(encoding="utf-8")
    )
