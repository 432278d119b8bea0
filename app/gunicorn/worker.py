"""Gunicorn's thread worker, made to stop listening when it is told to stop."""

from __future__ import annotations

import json
import os
import socket
import struct
import uuid
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors as parsing
from gunicorn.workers.gthread import ThreadWorker

from app.runner.process import exit_process
from app.settings import load_settings

# What the parser refuses before Flask sees it; every other parse error is a 400.
_STATUS_BY_ERROR: tuple[tuple[type[Exception], int, str, str], ...] = (
    (parsing.LimitRequestLine, 414, "uri_too_long", "The address is too long"),
    (parsing.LimitRequestHeaders, 431, "headers_too_large", "The request headers are too large"),
    (parsing.ExpectationFailed, 417, "expectation_failed", "This Expect is not supported"),
    (parsing.ParseException, 400, "bad_request", "The request cannot be understood"),
)

_LARGEST_REFUSED_BODY = 1 << 26


class DrainingThreadWorker(ThreadWorker):  # type: ignore[misc]
    """Refuses connections while it finishes its requests, and speaks of errors as we do.

    What it overrides is internal to Gunicorn, hence the pinned major version and the tests with
    a real server.
    """

    def init_process(self) -> None:
        seconds = load_settings(os.environ).client_seconds
        self._patience = struct.pack("ll", seconds, 0)
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Close the listener once the worker is told to stop.

        The plain worker keeps it open until its very end: connections made meanwhile wait in the
        kernel's backlog and are reset.  Refused ones go to another instance at once.
        """
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.close()

    def handle(self, conn: Any) -> Any:
        """Serve a connection for as long as the client takes part, and see its end through.

        The plain worker waits for a silent client for ever, and waits up to 2 s for the client's
        end of a closing connection in its main thread, where nobody else is accepted meanwhile.
        """
        # Limits of the kernel: a timeout of Python's would make the peek of app.web.client wait.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            conn.sock.setsockopt(socket.SOL_SOCKET, option, self._patience)
        result = super().handle(conn)
        if result is False:
            # A body that was refused unread must be taken in, or the client sees a reset instead of
            # the answer, and Nginx sees a broken instance.
            util.close_graceful(conn.sock, max_drain=_LARGEST_REFUSED_BODY)
            conn.close = _closed_already
        return result

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGQUIT, or SIGINT from Ctrl-C: end at once.

        The plain worker shuts its thread pool down in the signal handler, which never returns
        when the signal came while the main thread held the pool's lock.
        """
        exit_process(0)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a request that never reached the application."""
        request_id = uuid.uuid4().hex
        status, code, detail = _describe(exc)
        if status >= 500:
            self.log.error("error outside the application, request %s", request_id, exc_info=exc)
        else:
            self.log.info("unreadable request %s: %s", request_id, type(exc).__name__)
        try:
            client.sendall(error_response(status, code, detail, request_id))
        except OSError:
            self.log.debug("the client did not wait for the answer to request %s", request_id)


def _closed_already(graceful: bool = False) -> None:
    """Stands for the close method of a connection that is closed."""


def _describe(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, parsing.InvalidResponseHeader | parsing.InvalidResponseHeaderName):
        return 500, "internal_error", "Internal server error"  # ours, not the client's
    for kind, status, code, detail in _STATUS_BY_ERROR:
        if isinstance(error, kind):
            return status, code, detail
    return 500, "internal_error", "Internal server error"


def error_response(status: int, code: str, detail: str, request_id: str) -> bytes:
    """A whole HTTP answer in the common form of errors; the connection ends with it."""
    body = json.dumps({"error": code, "detail": detail, "request_id": request_id}).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Connection: close\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body
