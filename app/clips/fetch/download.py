"""Download a clip: the whole way of a URL through checks and redirects."""

from __future__ import annotations

import ftplib
import http.client as http_client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch import ftp, http
from app.clips.fetch.connect import Connections
from app.clips.fetch.policy import FetchPolicy
from app.clips.fetch.url import Url, parse_url


def fetch(
    url: str,
    policy: FetchPolicy,
    *,
    deadline: float | None = None,
) -> bytes:
    """Download a file from a public server.

    Args:
        url: http, https or ftp.
        policy: limits and exceptions.
        deadline: value of ``time.monotonic()``; the policy's `total_seconds` holds all the same.

    Returns:
        The bytes of the file, at least one and at most ``policy.max_bytes``.

    Raises:
        AudioInputError: the URL is not allowed, or nothing usable came from it.
        DownloadTimeoutError: it took too long.
    """
    end = time.monotonic() + policy.total_seconds
    end = end if deadline is None else min(end, deadline)
    target = parse_url(url)
    with Connections(policy, end) as connections, _transport_errors(connections):
        if target.scheme == "ftp":
            body = ftp.download(connections, target)
        else:
            body = _follow(connections, target)
        connections.left()  # a connection that was cut can look like one that ended
        if not body:
            raise AudioInputError("the download is empty", Code.EMPTY)
        return body


def _follow(connections: Connections, url: Url) -> bytes:
    for _ in range(connections.policy.max_redirects + 1):
        answer = http.get(connections, url)
        if isinstance(answer, bytes):
            return answer
        url = _redirected(url, answer.location)
    raise AudioInputError("the URL redirects too often", Code.TOO_MANY_REDIRECTS)


def _redirected(url: Url, location: str) -> Url:
    try:
        target = parse_url(urljoin(url.text, location))
    except ValueError as error:
        raise AudioInputError("the redirect of the URL is malformed", Code.BAD_REDIRECT) from error
    if target.scheme == "ftp":
        raise AudioInputError("a redirect to ftp is not followed", Code.BAD_REDIRECT)
    return target


@contextmanager
def _transport_errors(connections: Connections) -> Iterator[None]:
    """Turn what the network did into what the client may know."""
    try:
        yield
    except DownloadTimeoutError:
        raise
    except (AudioInputError, OSError, EOFError, http_client.HTTPException, ftplib.Error) as error:
        # Connections that the watchdog cut fail in any way; the reason is the time all the same.
        if connections.expired or isinstance(error, TimeoutError):
            raise DownloadTimeoutError from error
        if isinstance(error, AudioInputError):
            raise
        if isinstance(
            error, http_client.IncompleteRead | EOFError | ConnectionError | ssl.SSLEOFError
        ):
            raise AudioInputError("the download was cut off", Code.TRUNCATED) from error
        raise AudioInputError(
            "the server of the URL does not follow the protocol", Code.PROTOCOL_ERROR
        ) from error
