"""The one place that opens outgoing sockets.

Name look-up, check of the addresses and connecting are one step here, so there is no moment at
which a name could change its meaning (DNS rebinding).  Everything that a fetch has opened is shut
down when its time is over: a socket's own time limit counts from byte to byte and never ends
against a server that drips.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch.addresses import IPAddress, is_listed, is_public
from app.clips.fetch.policy import FetchPolicy
from app.clips.fetch.resolve import NO_PUBLIC_ADDRESS
from app.clips.fetch.url import DEFAULT_PORTS, Url

_MAX_ATTEMPTS = 4


class Connections:
    """The connections of one fetch; a context manager, used by one thread.

    Args:
        policy: the rules.
        deadline: value of ``time.monotonic()`` at which every connection is cut.
    """

    def __init__(self, policy: FetchPolicy, deadline: float) -> None:
        self.policy = policy
        self._deadline = deadline
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._cut = False
        self._watchdog = threading.Timer(max(0.0, deadline - time.monotonic()), self._cut_all)
        self._watchdog.daemon = True

    def __enter__(self) -> Self:
        self._watchdog.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        with self._lock:
            for handle in self._open:
                handle.close()
            self._open.clear()

    @property
    def expired(self) -> bool:
        """Whether the time is over, so that whatever failed did so for that reason."""
        return self._cut or time.monotonic() >= self._deadline

    def left(self) -> float:
        """Seconds left, above 0; raises DownloadTimeoutError."""
        seconds = self._deadline - time.monotonic()
        if self._cut or seconds <= 0:
            raise DownloadTimeoutError
        return seconds

    def open(self, url: Url) -> tuple[socket.socket, IPAddress]:
        """Connect to the server of a URL.

        Returns:
            The socket, whose time limit is that of connecting, and the address it leads to.

        Raises:
            AudioInputError: the port or one of the addresses is not allowed, or nothing answers.
            DownloadTimeoutError: the time is over.
        """
        self.left()
        if not self.policy.allow:
            self._check_port(url)  # no need to ask for the address first
        addresses = self.policy.resolver.addresses(url.host, self._deadline)
        for address in addresses:
            self._check_address(address)
            if not is_listed(address, self.policy.allow):
                self._check_port(url)
        return self._first_answer(addresses[:_MAX_ATTEMPTS], url.port)

    def connect(self, address: IPAddress, port: int, seconds: float) -> socket.socket:
        """Connect to one address, which is checked right here.

        Args:
            address: where to.
            port: 1 to 65535.
            seconds: for connecting; stays the time limit of the socket.

        Raises:
            AudioInputError: the address is not allowed.
            DownloadTimeoutError: the time is over.
            OSError: the connection cannot be made.
        """
        self._check_address(address)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(min(seconds, self.left()))
            self._watch(connection)
            connection.connect((str(address), port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        return connection

    def _first_answer(
        self, addresses: tuple[IPAddress, ...], port: int
    ) -> tuple[socket.socket, IPAddress]:
        give_up = time.monotonic() + min(self.policy.connect_seconds, self.left())
        failure: OSError | None = None
        for position, address in enumerate(addresses):
            # An address that swallows packets must leave time for the ones behind it.
            share = (give_up - time.monotonic()) / (len(addresses) - position)
            try:
                return self.connect(address, port, max(share, 0.001)), address
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise DownloadTimeoutError("the server of the URL does not answer") from failure
        raise AudioInputError(
            "the server of the URL cannot be reached", Code.UNREACHABLE
        ) from failure

    def _check_address(self, address: IPAddress) -> None:
        if not is_public(address) and not is_listed(address, self.policy.allow):
            raise AudioInputError(NO_PUBLIC_ADDRESS, Code.BLOCKED_ADDRESS)

    def _check_port(self, url: Url) -> None:
        ports = self.policy.ports
        others = {port for scheme, port in DEFAULT_PORTS.items() if scheme != url.scheme}
        # http on 21 or ftp on 80 is a protocol talked to the wrong kind of server.
        foreign = url.port in others and (url.scheme == "ftp" or url.port == DEFAULT_PORTS["ftp"])
        if foreign or (ports is not None and url.port not in ports):
            raise AudioInputError(
                "the port of the URL is not allowed; the server's INDEXTTS_FETCH_PORTS lists those "
                "that are",
                Code.BAD_PORT,
            )

    def _watch(self, connection: socket.socket) -> None:
        # A second handle: it stays valid when TLS takes the first one over or it is closed.
        handle = connection.dup()
        with self._lock:
            self._open.append(handle)
            if self._cut:
                _shut_down(handle)

    def _cut_all(self) -> None:
        with self._lock:
            self._cut = True
            for handle in self._open:
                _shut_down(handle)


def _shut_down(handle: socket.socket) -> None:
    # Wakes a thread that waits in recv; closing would not.
    with contextlib.suppress(OSError):  # not connected any more, or not yet
        handle.shutdown(socket.SHUT_RDWR)
