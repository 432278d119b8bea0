"""Strict parsing of the URLs that we fetch.

Two programs that read one URL differently are how guards are passed, so every spelling that
parsers are known to disagree about (blanks, backslashes, several @, short or octal addresses,
zone identifiers) is refused instead of repaired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

import idna

from app.clips.errors import AudioInputError, Code

MAX_URL_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}
SCHEMES = frozenset(DEFAULT_PORTS)

_AUTHORITY = re.compile(
    r"(?:(?P<userinfo>[^@]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{0,5}))?"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What may stand in a path or a query without being escaped; "%" is there already where it is.
_TARGET_SAFE = "%/?:@!$&'()*+,;=-._~[]|"


@dataclass(frozen=True)
class Url:
    """A URL, taken apart.

    Attributes:
        scheme: "http", "https" or "ftp".
        host: ASCII name in lower case without a trailing dot, or an address without brackets.
        port: 1 to 65535.
        target: path and query, ASCII, begins with "/".
        username: of an ftp URL, each character one byte; None if there is none.
        password: likewise.
    """

    scheme: str
    host: str
    port: int
    target: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port: the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The URL in one normal form, without user name and fragment."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str) -> Url:
    """Take a URL apart.

    Raises:
        AudioInputError: it is not a plain http, https or ftp URL.
    """
    if len(text) > MAX_URL_LENGTH:
        raise AudioInputError(f"the URL is longer than {MAX_URL_LENGTH} characters", Code.BAD_URL)
    # urlsplit drops tabs and line ends without a word, hence the look at the text itself.
    # isprintable is also False for lone surrogates and for every blank but the common one.
    if not text.isprintable() or " " in text or "\\" in text:
        raise _bad_url("it holds blanks, backslashes or control characters")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise _bad_url("the host is malformed") from error
    if parts.scheme not in SCHEMES:
        raise AudioInputError("only http, https and ftp URLs are supported", Code.BAD_SCHEME)
    match = _AUTHORITY.fullmatch(parts.netloc)
    if match is None:
        raise _bad_url("the host is missing or malformed")
    username, password = _credentials(parts.scheme, match["userinfo"])
    return Url(
        scheme=parts.scheme,
        host=_host(match["host"]),
        port=_port(match["port"], parts.scheme),
        target=_target(parts),
        username=username,
        password=password,
    )


def _credentials(scheme: str, userinfo: str | None) -> tuple[str | None, str | None]:
    if userinfo is None:
        return None, None
    if scheme != "ftp":
        raise AudioInputError(
            "user names and passwords are only supported in ftp URLs", Code.CREDENTIALS
        )
    name, colon, password = userinfo.partition(":")
    return plain_bytes(name), plain_bytes(password) if colon else None


def plain_bytes(text: str) -> str:
    """Undo the percent signs; each character of the result stands for one byte (latin-1).

    Raises:
        AudioInputError: a line end or a zero byte, with which commands could be smuggled in.
    """
    plain = unquote_to_bytes(text).decode("latin-1")
    if any(character in plain for character in "\r\n\0"):
        raise _bad_url("it holds line ends or zero bytes")
    return plain


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError as error:
            raise _bad_url("the IPv6 address is malformed") from error
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except UnicodeError as error:  # idna.IDNAError is one
            raise _bad_url("the international host name is malformed") from error
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad_url("the host name is malformed")
    if not _NUMERIC_LABEL.fullmatch(labels[-1]):
        return name
    # inet_aton also reads "127.1", "0x7f.1" and "2130706433"; only the plain form is for us.
    try:
        return str(IPv4Address(name))
    except ValueError as error:
        raise _bad_url("an IPv4 address needs four decimal numbers") from error


def _port(text: str | None, scheme: str) -> int:
    if not text:
        return DEFAULT_PORTS[scheme]
    port = int(text)
    if not 1 <= port <= 65535:
        raise AudioInputError("the port of the URL must be 1 to 65535", Code.BAD_PORT)
    return port


def _target(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return quote(parts.path or "/", safe=_TARGET_SAFE) + quote(query, safe=_TARGET_SAFE)


def _bad_url(problem: str) -> AudioInputError:
    return AudioInputError(f"the URL cannot be used: {problem}", Code.BAD_URL)
