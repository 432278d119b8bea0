"""This checkout's engine against another's, in turns: same text, clip, seed, limits, threads.

    git worktree add /tmp/before HEAD~20
    python benchmarks/compare.py --other /tmp/before --max-mel-tokens 50
    python benchmarks/compare.py --other . --quality fast        # fast against exact
    python benchmarks/compare.py --other ../index-tts --other-python ../index-tts/.venv/bin/python \
        --model-dir models/IndexTTS
    python benchmarks/compare.py --other-command "python my_adapter.py"

Each side is a process of its own (``compare_side.py`` says what it knows, and what a command of
yours must print).  A busy machine slows both, so the ratios of the rounds count: above 1 ours is
faster.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from benchmarks.compare_side import Task  # noqa: E402
from indextts.quality import WEIGHTS  # noqa: E402

SIDE = Path(__file__).with_name("compare_side.py")
VOICE = ROOT / "examples" / "voices" / "en_female.flac"
T = TypeVar("T")
TEXT = "Someone had already put the chairs back in the garden."


@dataclass(frozen=True)
class Run:
    """What a side has told of one run, or of its load; `stages` in seconds."""

    seconds: float
    peak_bytes: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    audio_seconds: float = 0.0
    codes: int | None = None


class Side:
    """A process that speaks when it is told to.

    Args:
        command: starts it.
        folder: where.
        threads: that it may use.
        timeout: seconds for an answer; then it is killed.
    """

    def __init__(self, command: Sequence[str], folder: Path, threads: int, timeout: float) -> None:
        self._timeout = timeout
        self._command = shlex.join(command[:2])
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.load = self._answer()
        except BaseException:
            self.close()
            raise

    def run(self) -> Run:
        """Speak once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> Run:
        assert self._process.stdout is not None
        watch = threading.Timer(self._timeout, self._process.kill)
        watch.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise SystemExit(f"{self._command} ended, or gave no answer in {self._timeout:g} s")
        return Run(**json.loads(line))


def _environment(threads: int) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    numbers = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    # A side that waits for its turn must not spin.
    return {**environ, **numbers, "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class Pair:
    """The runs of one round."""

    ours: Run
    other: Run


@contextmanager
def opened(make: Callable[[], Side]) -> Iterator[Side]:
    """A side, ended with the block."""
    side = make()
    try:
        yield side
    finally:
        side.close()


def measure(
    ours: Callable[[], Side], other: Callable[[], Side], rounds: int, *, fresh: bool
) -> Iterator[tuple[str, Pair]]:
    """Loads, first runs and rounds, each as a pair, as they are measured.

    Args:
        ours, other: start a side.
        rounds: after the first runs.
        fresh: load anew for every run, so that one model at a time is in memory.
    """
    if fresh:
        for number in range(rounds):
            pairs = []
            for make in _turns(ours, other, number):
                with opened(make) as side:
                    pairs.append((side.load, side.run(), side.run()))
            first, second = pairs if number % 2 == 0 else reversed(pairs)
            for name, a, b in zip(("load", "first", "round"), first, second, strict=True):
                yield name, Pair(a, b)
        return
    with ExitStack() as stack:
        left, right = stack.enter_context(opened(ours)), stack.enter_context(opened(other))
        yield "load", Pair(left.load, right.load)
        yield "first", Pair(left.run(), right.run())
        for number in range(rounds):
            runs = [side.run() for side in _turns(left, right, number)]
            yield "round", Pair(*(runs if number % 2 == 0 else reversed(runs)))


def _turns(ours: T, other: T, number: int) -> tuple[T, T]:
    """Who goes first changes: what one leaves to the other must not count for one of them only."""
    return (ours, other) if number % 2 == 0 else (other, ours)


def table(measured: Sequence[tuple[str, Pair]]) -> str:
    """Seconds of both sides, medians, and the ratio other / ours over the rounds."""
    lines = [
        "| | ours s | other s | other / ours: least | median | most |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in ("load", "first"):
        lines += _row(f"{name} run" if name == "first" else name, _seconds(measured, name))
    rounds = [pair for name, pair in measured if name == "round"]
    for stage in _stages(rounds):
        pairs = [(pair.ours.stages.get(stage), pair.other.stages.get(stage)) for pair in rounds]
        lines += _row(stage, pairs)
    lines += _row("**whole**", _seconds(measured, "round"))
    per_second = [
        (pair.ours.seconds / pair.ours.audio_seconds, pair.other.seconds / pair.other.audio_seconds)
        for pair in rounds
        if pair.ours.audio_seconds and pair.other.audio_seconds
    ]
    lines += _row("whole, for a second of sound", per_second)
    return "\n".join(lines)


Numbers = tuple[float | None, float | None]


def _seconds(measured: Sequence[tuple[str, Pair]], name: str) -> list[Numbers]:
    return [(pair.ours.seconds, pair.other.seconds) for kind, pair in measured if kind == name]


def _stages(rounds: Sequence[Pair]) -> list[str]:
    """In the order in which they are told, ours first."""
    names: dict[str, None] = {}
    for side in ("ours", "other"):
        for pair in rounds:
            names.update(dict.fromkeys(getattr(pair, side).stages))
    return list(names)


def _row(name: str, pairs: Sequence[Numbers]) -> list[str]:
    """A row; empty where nothing was measured."""
    if not pairs:
        return []
    sides = [[value for value in side if value is not None] for side in zip(*pairs, strict=True)]
    ratios = [other / ours for ours, other in pairs if ours and other]
    cells = [f"{statistics.median(side):.3f}" if side else "-" for side in sides]
    spread = (min(ratios), statistics.median(ratios), max(ratios)) if ratios else ()
    cells += [f"{ratio:.2f}" for ratio in spread] or ["-"] * 3
    return [f"| {name} | {' | '.join(cells)} |"]


def notes(measured: Sequence[tuple[str, Pair]]) -> str:
    """What the numbers rest on: lengths, codes, memory."""
    last = measured[-1][1]
    lines = []
    for name, run in (("ours", last.ours), ("other", last.other)):
        codes = "" if run.codes is None else f", {run.codes} codes"
        peak = f", peak memory {run.peak_bytes / 2**30:.2f} GiB" if run.peak_bytes else ""
        lines.append(f"{name}: {run.audio_seconds:.2f} s of sound{codes}{peak}")
    lengths = last.ours.audio_seconds, last.other.audio_seconds
    if abs(lengths[0] - lengths[1]) > 0.05 * max(lengths):
        lines.append("The lengths differ: look at the row for a second of sound.")
    return "\n".join(lines)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--other", type=Path, help="a checkout of this or another repository")
    who.add_argument("--other-command", help="a program that speaks as compare_side.py does")
    parser.add_argument("--other-python", default=sys.executable, help="for --other (this one)")
    parser.add_argument("--model-dir", type=Path, default=ROOT / "models" / "demo")
    parser.add_argument("--other-model-dir", type=Path, help="(the same)")
    parser.add_argument("--speaker", type=Path, default=VOICE, help="a clip of the voice")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--max-mel-tokens", type=int, help="bound on codes")
    parser.add_argument("--num-beams", type=int)
    parser.add_argument("--quality", choices=("exact", "fast"), help="class of ours")
    parser.add_argument("--weights", choices=WEIGHTS, help="format of ours in the class fast")
    parser.add_argument("--other-quality", choices=("exact", "fast"), help="class of the other")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--fresh", action="store_true", help="one model in memory at a time")
    parser.add_argument("--timeout", type=float, default=600.0, help="for each answer, in s (600)")
    return parser.parse_args(arguments)


def sides(options: argparse.Namespace) -> tuple[Callable[[], Side], Callable[[], Side]]:
    """What starts ours, and what starts the other."""
    task = Task(
        model_dir=str(options.model_dir.resolve()),
        speaker=str(options.speaker.resolve()),
        text=options.text,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        max_mel_tokens=options.max_mel_tokens,
        num_beams=options.num_beams,
        quality=options.quality,
        weights=options.weights,
    )
    elsewhere = (options.other_model_dir or options.model_dir).resolve()
    other_task = dataclasses.replace(
        task, model_dir=str(elsewhere), quality=options.other_quality, weights=None
    )

    def maker(command: Sequence[str], folder: Path, task: Task) -> Callable[[], Side]:
        told = json.dumps(dataclasses.asdict(task))
        return lambda: Side([*command, told], folder, options.threads, options.timeout)

    ours = maker([sys.executable, str(SIDE)], ROOT, task)
    if options.other_command:
        return ours, maker(shlex.split(options.other_command), Path.cwd(), other_task)
    command = [options.other_python, str(SIDE)]
    return ours, maker(command, options.other.resolve(), other_task)


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    options = parse_arguments(arguments)
    measured = []
    for name, pair in measure(*sides(options), options.rounds, fresh=options.fresh):
        measured.append((name, pair))
        ratio = pair.other.seconds / pair.ours.seconds
        told = f"{name}: ours {pair.ours.seconds:.2f} s, other {pair.other.seconds:.2f} s"
        print(f"{told}, {ratio:.2f} times", file=sys.stderr, flush=True)
    print(table(measured))
    print()
    print(notes(measured))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
