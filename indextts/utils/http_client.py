"""HTTP requests that are repeated where that helps, and whose failures say what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from indextts.errors import IndexTTSError

_WORTH_ANOTHER_TRY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class DownloadError(IndexTTSError):
    """A file could not be fetched, or what came is not what was promised."""


class ConnectionLostError(DownloadError):
    """The network or the server failed in a way that may pass."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(frozen=True)
class RetryPolicy:
    """How long to hope.  All times in seconds.

    Attributes:
        attempts: tries without any progress, the first one included.
        first_wait: before the second try; doubled for every further one.
        longest_wait: bound of one wait, whatever the server asks for.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int, error: ConnectionLostError) -> None:
        """Wait before the next try; raises `error` where `failures` are too many."""
        if failures >= self.attempts:
            raise error
        wait = self.first_wait * 2 ** (failures - 1)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after)
        self.sleep(min(wait, self.longest_wait))


class BearerToken(AuthBase):
    """Sends a token, and keeps ``.netrc`` from replacing it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class HttpClient:
    """A session for one hub.

    Args:
        endpoint: the hub's address.  The token goes to this host and port only: requests takes
            it off when a redirect leaves them.
        token: access token, or None.
        policy: how often to try.
    """

    def __init__(self, endpoint: str, token: str | None, policy: RetryPolicy) -> None:
        self.policy = policy
        self._origin = origin(endpoint)
        self._auth = BearerToken(token) if token and _is_private_channel(endpoint) else None
        self._session = requests.Session()
        # Compressed transfer would make lengths and ranges speak of other bytes.
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.headers["User-Agent"] = "indextts-service"

    def close(self) -> None:
        self._session.close()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        stream: bool = False,
        follow: bool = True,
        accept: frozenset[int] = frozenset(),
    ) -> requests.Response:
        """One request, tried once.

        Args:
            accept: statuses of 400 and above that the caller understands.

        Raises:
            ConnectionLostError: try again.
            DownloadError: trying again is of no use.
        """
        try:
            response = self._session.request(
                method,
                url,
                headers=dict(headers or {}),
                auth=self._auth if origin(url) == self._origin else None,
                stream=stream,
                allow_redirects=follow,
                timeout=(self.policy.connect_timeout, self.policy.read_timeout),
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            host = urlsplit(url).netloc
            raise ConnectionLostError(
                f"cannot reach {host} ({type(error).__name__}). Check the network and proxy "
                "settings, or choose another --endpoint or --source."
            ) from error
        except (requests.RequestException, ValueError) as error:
            raise DownloadError(f"{url}: {error}") from error
        if response.status_code >= HTTPStatus.BAD_REQUEST and response.status_code not in accept:
            response.close()
            raise _error_of(response, url)
        return response

    def request_patiently(self, method: str, url: str, *, follow: bool = True) -> requests.Response:
        """One small request, repeated with growing pauses; raises DownloadError."""
        failures = 0
        while True:
            try:
                return self.request(method, url, follow=follow)
            except ConnectionLostError as error:
                failures += 1
                self.policy.pause(failures, error)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address; raises DownloadError for one without a host."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise DownloadError(f"{url!r} is no web address ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadError(f"{url!r} is no web address; it should start with https://")
    return parts.scheme, parts.hostname, port


def _is_private_channel(endpoint: str) -> bool:
    """A token is not sent in the clear, except within this machine."""
    scheme, host, _ = origin(endpoint)
    if scheme == "https" or host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _error_of(response: requests.Response, url: str) -> DownloadError:
    status = response.status_code
    shown = url.split("?", 1)[0]
    if status in _WORTH_ANOTHER_TRY:
        asked = response.headers.get("Retry-After", "")
        return ConnectionLostError(
            f"{shown}: the server answered {status}; try again later, the download goes on "
            "where it stopped.",
            retry_after=float(asked) if asked.isdecimal() else None,
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return DownloadError(
            f"{shown}: the server refuses access ({status}). The repository may be private, or "
            "its licence must be accepted on its web page first; then set HF_TOKEN to an access "
            "token of that account."
        )
    if status == HTTPStatus.NOT_FOUND:
        return DownloadError(
            f"{shown}: not found (404). Check --revision and --source; the repository may have "
            "moved the file."
        )
    return DownloadError(f"{shown}: the server answered {status} {response.reason}")
