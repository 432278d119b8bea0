"""One GET request over a connection that was opened for it.

``http.client`` speaks the protocol; unlike the comfortable libraries it follows no redirects,
unpacks nothing, reads no environment and opens no connection that it was not given.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
from dataclasses import dataclass

from app.clips.errors import AudioInputError, Code
from app.clips.fetch.connect import Connections
from app.clips.fetch.url import Url

_CHUNK = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "audio/*, */*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "indextts-service",
}


@dataclass(frozen=True)
class Redirect:
    """Where to look instead, as the server wrote it."""

    location: str


def get(connections: Connections, url: Url) -> bytes | Redirect:
    """Ask once for an http or https URL.

    Args:
        connections: opens the socket and watches the time.
        url: what to ask for.

    Returns:
        The file, complete, or where to look instead.

    Raises:
        AudioInputError: not allowed, no answer, or an answer that we cannot use.
        DownloadTimeoutError, OSError, http.client.HTTPException: the transport failed.
    """
    with contextlib.closing(_open(connections, url)) as connection:
        connection.settimeout(min(connections.policy.read_seconds, connections.left()))
        client = http.client.HTTPConnection(url.host, url.port)
        client.auto_open = 0
        client.sock = connection
        client.request("GET", url.target, headers={"Host": url.authority, **_HEADERS})
        with client.getresponse() as response:
            return _read(response, connections)


def _open(connections: Connections, url: Url) -> socket.socket:
    connection, _ = connections.open(url)
    if url.scheme != "https":
        return connection
    try:
        # Without suppression: an end that the peer did not announce is a cut, not an end.
        return connections.policy.tls_context.wrap_socket(
            connection, server_hostname=url.host, suppress_ragged_eofs=False
        )
    except ssl.SSLCertVerificationError as error:
        raise AudioInputError(
            "the certificate of the server of the URL is not valid", Code.BAD_CERTIFICATE
        ) from error
    finally:
        connection.close()  # taken over by TLS, or of no use


def _read(response: http.client.HTTPResponse, connections: Connections) -> bytes | Redirect:
    status = response.status
    if status in _REDIRECTS:
        location = response.headers.get("Location")
        if not location:
            raise AudioInputError("the server of the URL redirects to nowhere", Code.BAD_REDIRECT)
        return Redirect(_readable(location))
    if status != 200:
        raise AudioInputError(f"the server of the URL answered {status}", Code.SOURCE_REFUSED)
    _check_coding(response.headers)
    _check_length(response.headers)
    return _read_body(response, connections)


def _check_coding(headers: http.client.HTTPMessage) -> None:
    # Nothing is ever unpacked, so a few kilobytes cannot become gigabytes.
    coding = headers.get_all("Content-Encoding", [])
    if any(value.strip().lower() not in ("", "identity") for value in coding):
        raise AudioInputError(
            "the server of the URL sends a compressed body, which is not supported",
            Code.ENCODED_BODY,
        )
    transfer = headers.get_all("Transfer-Encoding", [])
    if any(value.strip().lower() != "chunked" for value in transfer):
        raise AudioInputError(
            "the server of the URL uses an unsupported transfer coding", Code.PROTOCOL_ERROR
        )


def _check_length(headers: http.client.HTTPMessage) -> None:
    # http.client takes the first of several lengths, and reads to the end for one that is none.
    lengths = headers.get_all("Content-Length", [])
    if len(lengths) > 1 or not all(re.fullmatch(r"[0-9]{1,18}", text.strip()) for text in lengths):
        raise AudioInputError(
            "the server of the URL does not follow the protocol", Code.PROTOCOL_ERROR
        )


def _read_body(response: http.client.HTTPResponse, connections: Connections) -> bytes:
    limit = connections.policy.max_bytes
    announced = response.length
    if announced is not None and announced > limit:
        raise too_large(limit)
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
        connections.left()
    if announced is not None and len(body) < announced:
        raise AudioInputError("the download was cut off", Code.TRUNCATED)
    return bytes(body)


def too_large(limit: int) -> AudioInputError:
    """The refusal of a download of more than `limit` bytes."""
    return AudioInputError(f"the audio is larger than {limit} bytes", Code.TOO_LARGE)


def _readable(location: str) -> str:
    # Headers come as latin-1; servers that do not escape write UTF-8.
    try:
        text = location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        text = location
    return text.strip().replace(" ", "%20")
