"""Every setting of the service: typed, documented, read once from the environment."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from app.settings.checks import check_together
from app.settings.engine import EngineSettings
from app.settings.requests import RequestSettings
from app.settings.server import ServerSettings

# Threads of a worker that wait for neither the engine nor a clip: they answer /health and
# /metrics, read bodies, and refuse what does not fit into the queue.
SPARE_THREADS = 9
# Each holds a thread while the engine does not care.
MAX_DOWNLOADS = 15
MAX_SLOW_READERS = 15


# The fields of the last base come first, as in the tables of the documents.
@dataclass(frozen=True)
class Settings(RequestSettings, EngineSettings, ServerSettings):
    """The configuration of one process; :func:`app.settings.source.load_settings` makes it."""

    def __post_init__(self) -> None:
        check_together(self)

    @property
    def thread_count(self) -> int:
        """Request threads of a worker."""
        if self.threads:
            return self.threads
        return 1 + self.queue_size + self.download_places + self.stream_places + SPARE_THREADS

    @property
    def download_places(self) -> int:
        """Clips that may be downloaded at once: as many as may wait for the engine, to a bound."""
        return 1 + min(self.queue_size, MAX_DOWNLOADS)

    @property
    def stream_places(self) -> int:
        """Streams that may be open at once; their readers may need longer than the engine."""
        return 1 + self.queue_size + 1 + min(self.queue_size, MAX_SLOW_READERS)

    @property
    def binds(self) -> tuple[str, ...]:
        """Addresses in Gunicorn's notation."""
        if self.bind:
            return self.bind
        host = self.host.removeprefix("[").removesuffix("]")  # as in URLs
        host = f"[{host}]" if ":" in host else host
        return (f"{host}:{self.port}",)

    @property
    def is_public(self) -> bool:
        """Whether other machines may reach the service directly."""
        return any(not _is_local(address) for address in self.binds)

    @property
    def uses_tokens(self) -> bool:
        """Whether signed tokens are accepted."""
        return bool(self.jwt_secret or self.jwt_public_key_file)

    @property
    def has_auth(self) -> bool:
        """Whether callers must show a key or a token."""
        return bool(self.api_keys or self.api_keys_file or self.uses_tokens)


def _is_local(address: str) -> bool:
    if address.startswith(("unix:", "fd://")):
        return True
    host = address.rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
