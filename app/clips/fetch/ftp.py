"""One file from an FTP server.

``ftplib`` makes commands and reads replies; both connections are opened by us.  The data
connection goes to the address of the control connection: the address in the server's reply to
PASV is not looked at, it could name any host.
"""

from __future__ import annotations

import contextlib
import ftplib
import socket

from app.clips.errors import AudioInputError, Code
from app.clips.fetch.addresses import IPAddress
from app.clips.fetch.connect import Connections
from app.clips.fetch.http import too_large
from app.clips.fetch.url import Url, plain_bytes

_CHUNK = 1 << 16
_MAX_REPLY_CHARACTERS = 1 << 16
_FIRST_PASSIVE_PORT = 1024
_LAST_PORT = 65535


def download(connections: Connections, url: Url) -> bytes:
    """Read a file in binary mode, anonymously or with the URL's user name and password.

    The path is relative to the directory after the login (RFC 1738, 3.2.2); one that begins with
    a second slash is absolute.

    Raises:
        AudioInputError: not allowed, no answer, or the server refuses.
        DownloadTimeoutError, OSError, EOFError, ftplib.Error: the transport failed.
    """
    path = plain_bytes(url.target.removeprefix("/"))
    if not path or path.endswith("/"):
        raise AudioInputError("the ftp URL names no file", Code.BAD_URL)
    connection, address = connections.open(url)
    connection.settimeout(min(connections.policy.read_seconds, connections.left()))
    with contextlib.closing(_Control(connection)) as control:
        try:
            control.welcome = control.getresp()
            control.login(url.username or "anonymous", url.password or "")
            control.voidcmd("TYPE I")
            body = _retrieve(connections, control, address, path)
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise AudioInputError(
                "the FTP server refused the login or the file", Code.SOURCE_REFUSED
            ) from error
        try:
            control.voidresp()
        except ftplib.Error as error:  # only 226 says that the file is complete
            raise AudioInputError("the download was cut off", Code.TRUNCATED) from error
    return body


def _retrieve(connections: Connections, control: _Control, address: IPAddress, path: str) -> bytes:
    limit = connections.policy.max_bytes
    seconds = min(connections.policy.connect_seconds, connections.left())
    body = bytearray()
    with connections.connect(address, control.passive_port(), seconds) as data:
        data.settimeout(min(connections.policy.read_seconds, connections.left()))
        reply = control.sendcmd(f"RETR {path}")
        if not reply.startswith("1"):
            raise _protocol_error()
        while chunk := data.recv(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
            connections.left()
    return bytes(body)


class _Control(ftplib.FTP):
    """The control connection, over a socket that is open already."""

    def __init__(self, connection: socket.socket) -> None:
        # latin-1: a character is a byte, so any name of a file passes as it is.
        super().__init__(encoding="latin-1")
        self.sock = connection
        self.af = connection.family
        self.file = connection.makefile("r", encoding="latin-1")
        self._characters_left = _MAX_REPLY_CHARACTERS

    def getline(self) -> str:
        """As in ftplib, but a reply of endless lines does not fill the memory."""
        line = super().getline()
        self._characters_left -= len(line) + 1
        if self._characters_left < 0:
            raise _protocol_error()
        return line

    def passive_port(self) -> int:
        """Ask for a data connection and return its port.

        Raises:
            AudioInputError: the reply names no port that can be one.
            ftplib.Error: the server refuses.
        """
        try:
            _, port = self.makepasv()
        except ValueError as error:
            raise _protocol_error() from error
        if not _FIRST_PASSIVE_PORT <= port <= _LAST_PORT:
            raise _protocol_error()
        return int(port)


def _protocol_error() -> AudioInputError:
    return AudioInputError("the FTP server does not follow the protocol", Code.PROTOCOL_ERROR)
