"""Standard input, output and error, whatever the caller has made of them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, TextIO

from indextts.errors import OutputError, TextError

_CONVERT = "convert it, e.g. iconv -f GBK -t UTF-8"


class _Closed(io.TextIOWrapper):
    """In place of a stream that the caller has closed: takes everything and keeps nothing."""

    def __init__(self) -> None:
        # It also takes the number of the stream: no file opened later gets what C code prints.
        super().__init__(io.BufferedWriter(io.FileIO(os.devnull, "w")), encoding="utf-8")


def prepare_streams() -> None:
    """Let everything be written to standard output and error that there is to say."""
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = _Closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def given_text(argument: str) -> str:
    """The text that an argument names: itself, or standard input for "-".

    Raises:
        TextError: it is not UTF-8, or there is no standard input.
    """
    return _read_input() if argument == "-" else require_unicode(argument, "the text")


def require_unicode(argument: str, name: str) -> str:
    """Refuse an argument with bytes that are no characters; Python hands them on as surrogates.

    Raises:
        TextError: it has some; the message calls the argument `name`.
    """
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError:
        raise TextError(f"{name} is not UTF-8: {_CONVERT}") from None
    return argument


def _read_input() -> str:
    if sys.stdin is None:
        raise TextError("standard input is closed: pipe a text into it")
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TextError(f"standard input is not UTF-8: {_CONVERT}") from None
    # As in every text file that Python reads.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def binary_output() -> BinaryIO:
    """Standard output for bytes.

    Raises:
        OutputError: it is closed or a terminal.
    """
    if isinstance(sys.stdout, _Closed):
        raise OutputError("standard output is closed; pipe it into a player or a file")
    if sys.stdout.isatty():
        raise OutputError("standard output is a terminal; pipe it into a player or a file")
    return sys.stdout.buffer


@contextmanager
def writing_output() -> Iterator[None]:
    """Inside, standard output is written to.

    Raises:
        BrokenPipeError: nobody reads on.
        OutputError: it cannot be written, e.g. because the disk is full.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = f"standard output cannot be written: {error.strerror or error}"
        raise OutputError(problem) from error


def say(text: str) -> None:
    """Write to standard output at once: at the exit no failure can be told any more.

    Raises:
        BrokenPipeError, OutputError: see :func:`writing_output`.
    """
    with writing_output():
        sys.stdout.write(text)
        sys.stdout.flush()


def drop_what_cannot_be_written() -> None:
    """Keep the exit from trying again what has failed: it would fail with a message of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _lead_nowhere(stream)


def _lead_nowhere(stream: TextIO) -> None:
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
