"""The ``indextts`` command: reads its arguments and hands over to one of four actions.

The actions are imported when they are used: only speaking and checking need torch.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

import indextts
from indextts.errors import IndexTTSError

_DEBUG = "--debug"
_INTERRUPTED = 130

_USAGE = """\
indextts TEXT [--speaker FILE] [--output FILE] [OPTION ...]
       indextts {download,check,read} ..."""
_DESCRIPTION = """\
Speak a text with the voice of a recording (IndexTTS2).

other actions, each with a --help of its own:
  indextts download [--dir DIR]   fetch the official model
  indextts check DIR              is a model directory complete and sound?
  indextts read TEXT              show how a text is read, without speaking it

  A text that is exactly "download", "check" or "read" is passed with --text.
"""
_EPILOG = """\
examples:
  indextts "Hello there."
  indextts "Hello there." --speaker voice.wav --output hello.mp3 --subtitles hello.srt
  indextts - --output - < story.txt | ffplay -autoexit -nodisp -
"""


class Action(Protocol):
    """What a module of an action offers."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the action's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the result is the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process by default.

    Returns:
        0 done, 1 failed, 130 interrupted.  Wrong usage ends in SystemExit(2), as in argparse.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    first = next((argument for argument in arguments if argument != _DEBUG), None)
    name = first if first in ("download", "check", "read") else "speak"
    if name != "speak":
        arguments.remove(name)
    action = _load(name)
    parser = _parser(name, action)
    if first is None:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(arguments)
    try:
        return action.run(args)
    except KeyboardInterrupt:
        if args.debug:
            raise
        sys.stderr.write("indextts: interrupted\n")
        return _INTERRUPTED
    except (IndexTTSError, OSError) as error:
        if args.debug:
            raise
        sys.stderr.write(f"indextts: error: {' '.join(str(error).split())}\n")
        return 1


def _load(name: str) -> Action:
    return cast(Action, importlib.import_module(f"indextts.cli.{name}"))


def _parser(name: str, action: Action) -> argparse.ArgumentParser:
    speaks = name == "speak"
    parser = argparse.ArgumentParser(
        prog="indextts" if speaks else f"indextts {name}",
        usage=_USAGE if speaks else None,
        description=_DESCRIPTION if speaks else action.__doc__,
        epilog=_EPILOG if speaks else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.add_arguments(parser)
    parser.add_argument(_DEBUG, action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=f"indextts {indextts.__version__}")
    return parser
