"""What libraries write to stdout and stderr, past the logging, made lines of the log.

Decoders written in C complain about what clients send; without this, clients write lines of their
own into a log that is JSON otherwise.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger("app.output")

MOST_LINES_A_SECOND = 20
LONGEST_LINE = 2000
_READ = 1 << 16


class LineLog:
    """Cuts bytes into lines and logs them, a bounded number a second.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = b""
        self._second = -1
        self._lines = 0
        self.left_out = 0

    def add(self, data: bytes) -> None:
        """Log the lines that `data` ends."""
        *lines, begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._line(line)
        while len(begun) > LONGEST_LINE:
            self._line(begun[:LONGEST_LINE])
            begun = begun[LONGEST_LINE:]
        self._begun = begun

    def end(self) -> None:
        """Log what is left."""
        self.add(b"\n")
        self.tell_left_out()

    def tell_left_out(self) -> None:
        """Log how many lines were not."""
        if self.left_out:
            log.warning("%d more lines of libraries are left out", self.left_out)
            self.left_out = 0

    def _line(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode("utf-8", "backslashreplace").strip()
        if not text:
            return
        second = int(self._clock())
        if second != self._second:
            self.tell_left_out()
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > MOST_LINES_A_SECOND:
            self.left_out += 1
        else:
            log.warning("%s", text)


class StrayOutput:
    """A pipe in the place of a worker's stdout and stderr.

    The master makes it before the fork and keeps it, so that a dying worker's last words are read
    too.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        # Shared by both processes.  A library that fills the pipe while it keeps Python from
        # running would wait for ever; now it loses the rest.
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def capture(self) -> None:
        """In the worker: from now on the log alone goes where stderr went."""
        sys.stdout.flush()
        sys.stderr.flush()
        stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
                handler.setStream(stream)
        os.dup2(self._write, 1)
        os.dup2(self._write, 2)
        os.close(self._write)
        threading.Thread(target=self._follow, name="stray output", daemon=True).start()

    def last_words(self) -> None:
        """In the master, when the worker is dead: log what it had not read itself."""
        lines = LineLog()
        while data := self._take():
            lines.add(data)
        lines.end()
        self.close()

    def close(self) -> None:
        """Where it is not needed: in the master at the end, and in other workers."""
        os.close(self._read)
        os.close(self._write)

    def _follow(self) -> None:
        lines = LineLog()
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while True:
            if poll.poll(1000 if lines.left_out else None):
                lines.add(self._take())
            else:
                lines.tell_left_out()

    def _take(self) -> bytes:
        try:
            return os.read(self._read, _READ)
        except BlockingIOError:
            return b""
