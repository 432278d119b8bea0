"""The ``indextts`` command: reads its arguments and hands over to one of four actions.

The actions are imported when they are used: only speaking and checking need torch.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

import indextts
from indextts.cli.standard_streams import drop_what_cannot_be_written, prepare_streams, say
from indextts.errors import IndexTTSError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_DEBUG = "--debug"
_INTERRUPTED = 130
# As the shell counts a program that ended because nobody read on.
_BROKEN_PIPE = 141

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
        0 done, 1 failed, 130 interrupted, 141 nobody reads the output.  Wrong usage ends in
        SystemExit(2), as in argparse.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        if _DEBUG in arguments:
            raise
        _tell("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        return _BROKEN_PIPE
    except (IndexTTSError, OSError) as error:
        if _DEBUG in arguments:
            raise
        _tell(f"error: {' '.join(str(error).split())}")
        return 1
    finally:
        drop_what_cannot_be_written()


def _run(arguments: list[str]) -> int:
    first = next((argument for argument in arguments if argument != _DEBUG), None)
    name = first if first in ("download", "check", "read") else "speak"
    if name != "speak":
        arguments.remove(name)
    action = _load(name)
    parser = _parser(name, action)
    if first is None:
        parser.print_help(sys.stderr)
        return 2
    return action.run(parser.parse_args(arguments))


def _tell(line: str) -> None:
    # Where nobody reads standard error either, the exit code has to do.
    with suppress(OSError):
        sys.stderr.write(f"indextts: {line}\n")


def _load(name: str) -> Action:
    return cast(Action, importlib.import_module(f"indextts.cli.{name}"))


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """As in argparse, which passes over what standard output does not take."""
        if file is sys.stdout:
            say(message)
        else:
            super()._print_message(message, file)


def _parser(name: str, action: Action) -> argparse.ArgumentParser:
    speaks = name == "speak"
    parser = _Parser(
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
