"""The command line: runs the parts, prints the table, writes the file."""

from __future__ import annotations

import argparse
import faulthandler
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.gpu_check import faults
from benchmarks.gpu_check.catalogue import PARTS, choose
from benchmarks.gpu_check.report import Report, markdown, write_json
from benchmarks.gpu_check.runner import Runner

TOTAL_SECONDS = 470.0


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(
        prog="benchmarks/gpu.py",
        description="Check the engine on this GPU and measure it: docs/gpu.md.",
        epilog="Exit status: 0 all is well, 1 something failed or was late, 2 wrong arguments.",
    )
    own.add_argument("--output", type=Path, metavar="FILE", help="write all findings as JSON")
    own.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    own.add_argument("--model-dir", type=Path, metavar="DIR", help="measure real weights")
    own.add_argument("--device", default="cuda:0", help="cuda:0 (default), cuda:1, ...")
    own.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU")
    own.add_argument(
        "--only", action="append", default=[], metavar="PART", help="a part or a group; repeatable"
    )
    own.add_argument("--list", action="store_true", help="name the parts and stop")
    own.add_argument("--seed", type=int, default=1, help="of weights and speech")
    own.add_argument(
        "--seconds", type=float, default=TOTAL_SECONDS, help="for everything (default %(default)s)"
    )
    own.add_argument(
        "--inject",
        action="append",
        default=[],
        metavar="PART=FAULT",
        help=f"break a part to see it reported; faults: {', '.join(faults.Fault)}",
    )
    own.add_argument("--part", help=argparse.SUPPRESS)
    own.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    return own


def main(argv: list[str] | None = None) -> int:
    """Run it; see the parser for the exit status."""
    args = parser().parse_args(argv)
    try:
        injected = faults.parse(args.inject, {part.name for part in PARTS})
        parts = choose(args.only)
    except ValueError as error:
        parser().error(str(error))
    if args.part is not None:
        faulthandler.enable()
        # In this way the runner asks a part that hangs where it is.
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        # Imported here, as it brings torch.
        from benchmarks.gpu_check.child import run_part

        return run_part(args, injected.get(args.part))
    if args.list:
        for part in PARTS:
            sys.stdout.write(
                f"{part.name:12} {part.group:12} {part.seconds:4.0f} s  {part.summary}\n"
            )
        return 0
    started = time.time()
    runner = Runner(child_arguments(args), args.seconds, sys.stderr)
    # One at a time on a GPU; a dry run measures nothing, so two parts may share the processor.
    with ThreadPoolExecutor(2 if args.dry_run else 1) as pool:
        results = tuple(pool.map(runner.run, parts))
    report = Report(
        started=started,
        seconds=time.time() - started,
        dry_run=args.dry_run,
        weights=str(args.model_dir or "stand-in weights"),
        parts=results,
    )
    table = markdown(report)
    sys.stdout.write(table)
    sys.stdout.flush()
    if args.markdown is not None:
        args.markdown.write_text(table, encoding="utf-8")
    if args.output is not None:
        write_json(report, args.output)
    return 0 if report.passed else 1


def child_arguments(args: argparse.Namespace) -> list[str]:
    """What a part must know of the command line."""
    words = ["--device", args.device, "--seed", str(args.seed)]
    if args.model_dir is not None:
        words += ["--model-dir", str(args.model_dir.resolve())]
    if args.dry_run:
        words.append("--dry-run")
    for text in args.inject:
        words += ["--inject", text]
    return words
