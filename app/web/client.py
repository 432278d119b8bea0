"""Has the caller hung up?"""

from __future__ import annotations

import socket
from collections.abc import Callable


def client_gone(connection: socket.socket | None) -> Callable[[], bool]:
    """A question that may be asked often, from any thread, while the request is unanswered.

    Args:
        connection: Gunicorn's blocking socket of the client (``environ["gunicorn.socket"]``),
            or None where another server runs the application.

    Returns:
        A function that says True once the other side has closed.
    """
    if connection is None:
        return lambda: False

    def gone() -> bool:
        try:
            # Nothing to read is no news; an empty read is the end; a byte is the next request.
            return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    return gone
