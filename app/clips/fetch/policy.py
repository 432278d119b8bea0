"""What a fetch may do: limits, ports, private networks, certificates."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cached_property

from app.clips.fetch.addresses import IPNetwork
from app.clips.fetch.resolve import Resolver

MIB = 1 << 20


@dataclass(frozen=True)
class FetchPolicy:
    """The rules of fetching; one object serves all requests of a process.

    Attributes:
        total_seconds: for the whole fetch, name look-ups and redirects included.
        connect_seconds: for opening one connection (and its TLS handshake).
        read_seconds: the longest wait for the next bytes.
        max_bytes: of the body.
        max_redirects: how many are followed.
        allow: networks that may be fetched from although they are not public; there any port
            may be used.
        ports: the ports that may be connected to (None: any).
        verify: True: TLS certificates are checked by the system's authorities; a path: by the
            authorities of that PEM file only; False: not checked.
        resolver: looks names up; holds the bound on look-up threads.
    """

    total_seconds: float = 15.0
    connect_seconds: float = 4.0
    read_seconds: float = 5.0
    max_bytes: int = 20 * MIB
    max_redirects: int = 3
    allow: tuple[IPNetwork, ...] = ()
    ports: frozenset[int] | None = frozenset({80, 443, 21})
    verify: bool | str = True
    resolver: Resolver = field(default_factory=Resolver, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("total_seconds", "connect_seconds", "read_seconds", "max_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if self.max_redirects < 0:
            raise ValueError("max_redirects must not be negative")
        if isinstance(self.verify, str):
            self.tls_context  # noqa: B018 - a file that is missing must show at once, not later

    @cached_property
    def tls_context(self) -> ssl.SSLContext:
        """How TLS connections are made; threads may share it."""
        context = ssl.create_default_context(
            cafile=self.verify if isinstance(self.verify, str) else None
        )
        if self.verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
