"""Names to addresses, in bounded time.

``getaddrinfo`` cannot be interrupted, so it runs in helper threads.  A thread that hangs in it
keeps its place among the allowed ones: their number, not only each wait, is bounded.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch.addresses import IPAddress, parse_address

Lookup = Callable[[str], list[str]]

# One sentence for "unknown" and "not public": the difference would tell strangers which names
# our own network knows.
NO_PUBLIC_ADDRESS = (
    "the host of the URL has no public address; clips from a private network need "
    "INDEXTTS_FETCH_ALLOW on the server"
)


def system_lookup(host: str) -> list[str]:
    """All addresses of a name by the system's resolver; raises OSError."""
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(answer[4][0]) for answer in answers]


class Resolver:
    """Looks names up, at most `max_lookups` at once.

    Args:
        max_lookups: how many helper threads may exist.
        lookup: the blocking look-up itself.
    """

    def __init__(self, max_lookups: int = 16, lookup: Lookup = system_lookup) -> None:
        self._places = threading.BoundedSemaphore(max_lookups)
        self._lookup = lookup

    def addresses(self, host: str, deadline: float) -> tuple[IPAddress, ...]:
        """The addresses of a name (or of an address: itself), in the resolver's order.

        Args:
            host: ASCII name or address.
            deadline: value of ``time.monotonic()``.

        Raises:
            AudioInputError: the name has no address.
            DownloadTimeoutError: no answer before the deadline.
        """
        try:
            return (parse_address(host),)
        except ValueError:
            pass  # a name
        try:
            answers = self._bounded_lookup(host, deadline)
            found = tuple(dict.fromkeys(parse_address(answer) for answer in answers))
        except TimeoutError as error:
            raise DownloadTimeoutError from error
        except (OSError, ValueError) as error:
            raise AudioInputError(NO_PUBLIC_ADDRESS, Code.UNRESOLVABLE) from error
        if not found:
            raise AudioInputError(NO_PUBLIC_ADDRESS, Code.UNRESOLVABLE)
        return found

    def _bounded_lookup(self, host: str, deadline: float) -> list[str]:
        if not self._places.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError("all look-up threads are busy")
        answer: Future[list[str]] = Future()
        try:
            # A daemon: a look-up that hangs must not keep the process from ending.
            threading.Thread(
                target=self._run, args=(host, answer), name="dns-lookup", daemon=True
            ).start()
        except RuntimeError:
            self._places.release()
            raise
        return answer.result(timeout=max(0.0, deadline - time.monotonic()))

    def _run(self, host: str, answer: Future[list[str]]) -> None:
        try:
            answer.set_result(self._lookup(host))
        except Exception as error:  # handed over to the waiting thread
            answer.set_exception(error)
        finally:
            self._places.release()
