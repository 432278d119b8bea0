"""Check a model directory: is every file there, whole, and of the right model?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from indextts.cli.standard_streams import say
from indextts.errors import ModelFileError
from indextts.model_files import Part

if TYPE_CHECKING:
    from indextts.cli.inspection import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``indextts check``."""
    parser.add_argument("dir", type=Path, metavar="DIR", help="the model directory")
    parser.add_argument(
        "--only",
        nargs="+",
        type=Part,
        choices=tuple(Part),
        metavar="PART",
        help=f"check these parts only: {', '.join(Part)}",
    )
    parser.add_argument(
        "--full", action="store_true", help="also compare SHA-256 hashes (reads every byte)"
    )


def run(args: argparse.Namespace) -> int:
    """Print a table of findings; 0 when nothing is wrong, else 1.

    Raises:
        ModelFileError: there is no such directory.
    """
    if not args.dir.is_dir():
        raise ModelFileError(
            args.dir,
            "is no directory.",
            f"Make it and fill it with: indextts download --dir {args.dir}",
        )
    return check_and_report(args.dir, args.only or tuple(Part), full=args.full)


def check_and_report(model_dir: Path, parts: Sequence[Part], *, full: bool = False) -> int:
    """Inspect, write the table to standard output, and return the exit code.

    A GPU that cannot be used is told as well, but is no fault of the model directory.
    """
    # Opening torch archives needs torch; --help and `download` of the files do not.
    from indextts.cli.inspection import inspect_model
    from indextts.stages.device import cuda_problem

    findings = inspect_model(model_dir, parts, full=full)
    say(report(findings, model_dir))
    problem = cuda_problem()
    if problem:
        say(f"{problem}\n")
    return 0 if all(finding.good for finding in findings) else 1


def report(findings: Sequence[Finding], model_dir: Path) -> str:
    """The table, the hints below it, and a verdict, as text."""
    rows = [
        (str(found.status), str(found.part), _below(found.path, model_dir), found.detail)
        for found in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join(
            (*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])
        ).rstrip()
        for row in rows
    ]
    hints = dict.fromkeys(found.hint for found in findings if found.hint)
    bad = sum(not found.good for found in findings)
    verdict = (
        f"{model_dir}: {bad} problem{'s' if bad != 1 else ''}"
        if bad
        else f"{model_dir}: everything that was checked is in order"
    )
    return "\n".join((*lines, *hints, verdict)) + "\n"


def _below(path: Path, model_dir: Path) -> str:
    return path.relative_to(model_dir).as_posix() if path.is_relative_to(model_dir) else str(path)
