"""Servers on the loopback that behave, or misbehave, as a test tells them."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.clips.fetch.policy import FetchPolicy
from app.clips.fetch.resolve import Resolver

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

# `allow` lets tests reach the loopback at all; tests of time limits set shorter ones.
LOCAL = FetchPolicy(
    total_seconds=10.0,
    connect_seconds=5.0,
    read_seconds=5.0,
    max_bytes=100_000,
    allow=LOOPBACK,
)
HURRIED = replace(LOCAL, total_seconds=0.3)

Script = Callable[[socket.socket, bytes], None]


class Lookups:
    """A name server: answers from a table, one list after the other, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        lists = self.answers.get(host)
        if lists is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        return lists.pop(0) if len(lists) > 1 else lists[0]

    @property
    def resolver(self) -> Resolver:
        return Resolver(lookup=self)


class ScriptServer:
    """Accepts connections and hands each to a script, with the head of the request.

    With `talks_first` the script runs at once (ftp); its second argument is empty then.
    """

    def __init__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, talks_first: bool = False
    ) -> None:
        self._script = script
        self._tls = tls
        self._talks_first = talks_first
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> ScriptServer:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._listener.close()

    def url(self, path: str = "/clip.wav", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        # The client may go at any moment: that is what many of these tests are about.
        with contextlib.suppress(OSError), connection:
            if self._tls is not None:
                with self._tls.wrap_socket(connection, server_side=True) as secure:
                    self._talk(secure)
            else:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        head = b""
        while not self._talks_first and b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                return
            head += data
        if head:
            self.requests.append(head)
        self._script(connection, head)


def answer(
    body: bytes = b"body", status: str = "200 OK", *headers: str, length: int | None = None
) -> Script:
    """A script that answers and closes; `length` is what it claims (None: the truth)."""
    claimed = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {claimed}", *headers, "", ""]
    return lambda connection, _: connection.sendall("\r\n".join(lines).encode("latin-1") + body)


def raw(*pieces: bytes) -> Script:
    """A script that sends pieces one by one and closes."""

    def script(connection: socket.socket, _: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return script


class Drip:
    """A script that sends pieces with pauses between them.

    Attributes:
        finished: set when the client has waited for all of them.
    """

    def __init__(self, *pieces: bytes, pause: float = 0.05) -> None:
        self._pieces = pieces
        self._pause = pause
        self.finished = threading.Event()

    def __call__(self, connection: socket.socket, _: bytes) -> None:
        *pieces, last = self._pieces
        for piece in pieces:
            connection.sendall(piece)
            threading.Event().wait(self._pause)
        self.finished.set()  # before the client can have seen the last piece
        connection.sendall(last)


def silent(connection: socket.socket, _: bytes) -> None:
    """A script that says nothing until the client goes."""
    connection.settimeout(5)
    while connection.recv(4096):
        pass


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for some names."""

    file: Path
    context: ssl.SSLContext


def make_certificate(folder: Path, *names: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "key.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return Certificate(file, context)


@contextlib.contextmanager
def recorded_connects(
    routes: dict[tuple[str, int], int] | None = None, *, really: bool = True
) -> Iterator[list[tuple[str, int]]]:
    """Record every connect of this process at the socket layer.

    Args:
        routes: (address, port) -> port of a loopback server that is reached in its place.
        really: False refuses every connection without touching the network.
    """
    made: list[tuple[str, int]] = []
    original = socket.socket.connect

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        made.append((address[0], address[1]))
        if not really:
            raise ConnectionRefusedError
        port = (routes or {}).get((address[0], address[1]))
        original(self, address if port is None else ("127.0.0.1", port))

    socket.socket.connect = connect  # type: ignore[assignment, method-assign]
    try:
        yield made
    finally:
        socket.socket.connect = original  # type: ignore[method-assign]
