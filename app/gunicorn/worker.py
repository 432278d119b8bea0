"""Gunicorn's thread worker, made to give threads to requests only, and to stop when told to."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors as parsing
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.exceptions import RequestTimeout

from app.gunicorn.lobby import LARGEST_HEAD, Guest, Head, Lobby
from app.request_id import use_request_id
from app.runner.process import exit_process
from app.settings import load_settings
from app.web.client import ClientSocket, Patience
from app.web.error_bodies import error_body, error_status
from app.web.errors import ApiError

# What the parser refuses before Flask sees it; every other parse error is a 400.
_ANSWERS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (parsing.LimitRequestLine, 414, "uri_too_long", "The address is too long"),
    (parsing.LimitRequestHeaders, 431, "headers_too_large", "The request headers are too large"),
    (parsing.ExpectationFailed, 417, "expectation_failed", "This Expect is not supported"),
    (parsing.UnsupportedTransferCoding, 501, "not_implemented", "This coding is not supported"),
    (RequestTimeout, 408, "request_timeout", "The request did not arrive in time"),
    (parsing.ParseException, 400, "bad_request", "The request cannot be understood"),
)

# Whether the service lives is answered by threads that do nothing else, and wait for nobody.
PROBES = ("/health", "/health/live")
_PROBE_LINES = tuple(f"{method} {path} ".encode() for method in ("GET", "HEAD") for path in PROBES)
_PROBE_THREADS = 2
_PROBE_SECONDS = 1.0
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NO_FILES_PAUSE = 0.5
# For clients whose request is on its way when the worker is told to stop.
_LAST_SECONDS = 2.0


class DrainingThreadWorker(ThreadWorker):  # type: ignore[misc]
    """Takes threads for whole heads only, and refuses connections while it finishes its requests.

    What it overrides is internal to Gunicorn, hence the pinned major version and the tests with
    a real server.  The reason stands with each method.
    """

    def init_process(self) -> None:
        settings = load_settings(os.environ)
        self._patience = Patience(settings.client_seconds, settings.request_seconds)
        self._probe_pool = ThreadPoolExecutor(_PROBE_THREADS, "probe")
        self._accept_after = 0.0
        self._needs_room = False
        super().init_process()

    def run(self) -> None:
        """The main loop, with a lobby beside it."""
        self._lobby = Lobby(
            self.poller,
            self._patience.silent_seconds,
            arrived=self._arrived,
            missed=self._missed,
            left=self._drop,
        )
        super().run()

    # -- connections come and go -----------------------------------------------------------

    def accept(self, listener: Any) -> None:
        """Take a connection in; the plain worker dies when there are no more files."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in _NO_FILES:
                raise
            self.log.error("no connection could be accepted: %s", error.strerror)
            self._accept_after = time.monotonic() + _NO_FILES_PAUSE
            self._needs_room = True
            self.set_accept_enabled(False)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Close the listener once the worker is told to stop.

        The plain worker keeps it open until its very end: connections made meanwhile wait in the
        kernel's backlog and are reset.  Refused ones go to another instance at once.
        """
        if enabled and time.monotonic() < self._accept_after:
            return
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self._lobby.hurry(_LAST_SECONDS)
            for listener in self.sockets:
                listener.close()

    def murder_pending(self) -> None:
        """Between two turns of the main loop: see whose time is over, and make room.

        Nobody is pending as Gunicorn has it.  When the plain worker has as many connections as it
        may have, it accepts nobody, /health included, until idle ones have timed out.
        """
        self._lobby.expire()
        if self._needs_room or self.nr_conns >= self.worker_connections:
            self._needs_room = False
            self._make_room()

    def enqueue_req(self, conn: Any) -> None:
        """Wait for the head in the main loop, before a thread is taken.

        The plain worker reads it in a thread: a few clients that send a byte now and then, or none,
        keep everybody out.
        """
        if not isinstance(conn.sock, ClientSocket):
            conn.sock = ClientSocket(conn.sock, self._patience)
            conn.close = partial(self._close, conn)
            conn.init()
        self._lobby.wait_for_head(conn, conn.parser.unreader.take_buffered())

    def _arrived(self, guest: Guest, head: Head) -> None:
        conn = guest.conn
        conn.too_large = head is Head.TOO_LARGE
        line, _, rest = bytes(guest.head).partition(b"\r\n")
        fields = rest.partition(b"\r\n\r\n")[0].lower()
        has_body = b"content-length" in fields or b"transfer-encoding" in fields
        conn.sock.path = _path_of(line)
        probe = line.startswith(_PROBE_LINES) and not has_body
        conn.sock.begin(
            interim=line.endswith(b"HTTP/1.1"), seconds=_PROBE_SECONDS if probe else None
        )
        conn.parser.unreader.unread(guest.head)
        pool = self._probe_pool if probe else self.tpool
        pool.submit(self.handle, conn).add_done_callback(partial(self._handled, conn))

    def _handled(self, conn: Any, future: Future[Any]) -> None:
        self.method_queue.defer(self.finish_request, conn, future)

    def _missed(self, guest: Guest) -> None:
        if not guest.head:
            self._drop(guest)
            return
        guest.conn.sock.path = _path_of(guest.head)
        self.handle_error(None, guest.conn.sock, guest.conn.client, RequestTimeout())
        self.nr_conns -= 1
        self._close(guest.conn, graceful=True)

    def _drop(self, guest: Guest) -> None:
        self.nr_conns -= 1
        util.close(guest.conn.sock)

    def _make_room(self) -> None:
        if self.keepalived_conns:
            self.keepalived_conns[0].timeout = 0.0
            self.murder_keepalived()
        else:
            self._lobby.make_room()

    def _close(self, conn: Any, graceful: bool = False) -> None:
        """Stands for the close method of a connection, in the main thread.

        The plain one waits up to 2 s for the client's end there, where nobody else is accepted
        meanwhile.  A body that was refused unread must be taken in, or the client sees a reset
        instead of the answer, and Nginx sees a broken instance.
        """
        if graceful and _end_sending(conn.sock):
            self.nr_conns += 1  # Gunicorn has counted it off
            self._lobby.see_off(conn)
        else:
            util.close(conn.sock)

    # -- requests --------------------------------------------------------------------------

    def handle(self, conn: Any) -> Any:
        """Serve a request; lines logged outside it must not carry the id of the one before."""
        with use_request_id(""):
            if conn.too_large:
                error = parsing.LimitRequestHeaders("the head is too large")
                self.handle_error(None, conn.sock, conn.client, error)
                return False
            return super().handle(conn)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGQUIT, or SIGINT from Ctrl-C: end at once.

        The plain worker shuts its thread pool down in the signal handler, which never returns
        when the signal came while the main thread held the pool's lock.
        """
        exit_process(0)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a request that never reached the application."""
        request_id = uuid.uuid4().hex
        error = _describe(exc)
        if error.status >= 500:
            self.log.error("error outside the application, request %s", request_id, exc_info=exc)
        else:
            self.log.info("unreadable request %s: %s", request_id, type(exc).__name__)
        try:
            client.sendall(error_response(getattr(client, "path", ""), error, request_id))
        except OSError:
            self.log.debug("the client did not wait for the answer to request %s", request_id)


def _path_of(head: bytes | bytearray) -> str:
    """What is asked for, as it stands in the first line; empty where that has not come so far."""
    words = bytes(head[:LARGEST_HEAD]).partition(b"\r\n")[0].split(b" ")
    return words[1].decode("latin-1") if len(words) > 1 else ""


def _end_sending(connection: socket.socket) -> bool:
    """Tell the client that nothing follows; False when it is closed already, or gone."""
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def _describe(error: Exception) -> ApiError:
    if isinstance(error, parsing.InvalidResponseHeader | parsing.InvalidResponseHeaderName):
        # Ours, not the client's.
        return ApiError(500, "internal_error", "Internal server error")
    for kind, status, code, detail in _ANSWERS:
        if isinstance(error, kind):
            return ApiError(status, code, detail)
    return ApiError(500, "internal_error", "Internal server error")


def error_response(path: str, error: ApiError, request_id: str) -> bytes:
    """A whole HTTP answer in the form of errors at this path; the connection ends with it."""
    status = error_status(path, error)
    body = json.dumps(error_body(path, error, request_id)).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Connection: close\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
