"""Runs each part as a process with a bound in time, and says how it ended.

A CUDA call that hangs cannot be interrupted from Python, and a broken context cannot be mended;
both end with the process.  Starting one costs about three seconds: import of torch, and a context.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import TextIO

from benchmarks.gpu_check.catalogue import Part
from benchmarks.gpu_check.report import PartResult
from benchmarks.gpu_check.rows import Outcome, Row, read_rows

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.py"

# A killed process that holds a GPU may need a moment; one that never dies must not stop the rest.
KILL_SECONDS = 10.0
STACK_SECONDS = 2.0
LEAST_SECONDS = 5.0
KEPT_LINES = 60


class Runner:
    """Runs parts until the time for all of them is used up; threads may share it.

    Args:
        arguments: of the command line, for every part.
        seconds: for all parts together.
        progress: where lines go as they come.
    """

    def __init__(self, arguments: list[str], seconds: float, progress: TextIO) -> None:
        self._arguments = arguments
        self._started = time.monotonic()
        self._end = self._started + seconds
        self._progress = progress

    def run(self, part: Part) -> PartResult:
        """Run one part; never raises for what happens in it."""
        missing = [name for name in part.needs if importlib.util.find_spec(name) is None]
        if missing:
            reason = f"{', '.join(missing)} is not installed"
            return self._ended(part, 0.0, [Row(part.name, part.name, Outcome.SKIPPED, note=reason)])
        bound = min(part.seconds, self._end - time.monotonic())
        if bound < LEAST_SECONDS:
            row = Row(part.name, "not run", Outcome.FAILED, note="no time was left for this part")
            return self._ended(part, 0.0, [row])
        self._say(f"{part.name}: {part.summary} (at most {bound:.0f} s)")
        with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
            rows_file = Path(folder) / "rows.jsonl"
            started = time.monotonic()
            ending, lines = self._process(part, rows_file, bound)
            seconds = time.monotonic() - started
            rows = read_rows(rows_file)
        if ending:
            trace = "\n".join(lines)
            rows.append(Row(part.name, "the process", Outcome.FAILED, note=ending, trace=trace))
        elif not rows:
            rows.append(Row(part.name, "the process", Outcome.FAILED, note="it found nothing out"))
        return self._ended(part, seconds, rows)

    def _process(self, part: Part, rows: Path, bound: float) -> tuple[str, list[str]]:
        """How a process ended where it was not well, and its last lines."""
        words = [sys.executable, str(SCRIPT), *self._arguments]
        process = subprocess.Popen(
            [*words, "--part", part.name, "--rows", str(rows)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(dry="--dry-run" in self._arguments),
            # A group of its own: what the part has started dies with it.
            start_new_session=True,
        )
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        assert process.stdout is not None
        reader = threading.Thread(
            target=self._relay, args=(part, process.stdout, lines), daemon=True
        )
        reader.start()
        try:
            code = process.wait(bound)
        except subprocess.TimeoutExpired:
            return self._kill(process, bound), list(lines)
        finally:
            # What the part may have left running, such as its tests.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            reader.join(STACK_SECONDS)
        if code < 0:
            return f"killed by signal {signal.Signals(-code).name}", list(lines)
        return (f"ended with status {code}" if code else ""), list(lines)

    def _kill(self, process: subprocess.Popen[str], bound: float) -> str:
        """Ask where it is, then kill it."""
        process.send_signal(signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STACK_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            return f"late: not done after {bound:.0f} s, and it cannot be killed"
        return f"late: not done after {bound:.0f} s; killed"

    def _relay(self, part: Part, stream: TextIO, lines: deque[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._say(f"  {part.name}: {lines[-1]}")

    def _ended(self, part: Part, seconds: float, rows: list[Row]) -> PartResult:
        result = PartResult(part.name, part.group, seconds, tuple(rows))
        self._say(f"{part.name}: {result.verdict} after {seconds:.1f} s")
        return result

    def _say(self, text: str) -> None:
        self._progress.write(f"[{time.monotonic() - self._started:5.1f}] {text}\n")
        self._progress.flush()


def _environment(*, dry: bool) -> dict[str, str]:
    """Of a part.  Threads that spin while they wait make everything slow on a shared machine."""
    own = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "PASSIVE"}
    if dry:
        own["OMP_NUM_THREADS"] = "1"
    return os.environ | own
