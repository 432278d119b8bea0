"""Who may use the service: API keys, or signed tokens (JWT)."""

from __future__ import annotations

import hashlib
import hmac
import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol

from flask import Request

from app.settings import Settings, SettingsError
from app.web.address import caller_of
from app.web.errors import too_busy, unauthorized
from app.web.rate_limit import MAX_CALLERS, TokenBucket

# Failed logins of one address: so many at once, and in the long run a minute.
FAILURES = 10


class TokenCheck(Protocol):
    """Verifies a signed token."""

    def __call__(self, token: str) -> str | None:
        """The subject of a valid token, or None."""
        ...


class Authenticator:
    """Checks ``Authorization: Bearer`` and ``X-API-Key``.

    Args:
        keys: the keys in clear; only their hashes are kept.
        token_check: for signed tokens, or None.
        failures: grants an address its failed logins.
    """

    def __init__(
        self,
        keys: tuple[str, ...],
        token_check: TokenCheck | None = None,
        failures: TokenBucket | None = None,
    ) -> None:
        self._hashes = tuple(_digest(key) for key in keys)
        self._token_check = token_check
        self._failures = failures or TokenBucket(FAILURES, FAILURES)
        self._let_in = _LetIn()

    @property
    def enabled(self) -> bool:
        return bool(self._hashes) or self._token_check is not None

    def identify(self, request: Request) -> str:
        """Name of the caller for the rate limit: a hash, or the address where nobody must log in.

        Raises:
            ApiError: 401, or 429 after too many failures from this address.
        """
        address = caller_of(request.remote_addr)
        if not self.enabled:
            return f"address:{address}"
        credential = credential_of(request)
        digest = _digest(credential or "")
        # Who guesses is not told any more whether the guess was right.  Who was let in before with
        # the same key from there, perhaps through the same proxy, is no guesser.
        if not self._let_in.knows(address, digest):
            self._refuse_guessers(address)
        if credential is not None:
            # All keys are compared, and hashes at that: the time says nothing about a key.
            if sum(hmac.compare_digest(digest, known) for known in self._hashes):
                self._let_in.add(address, digest)
                return f"key:{digest.hex()[:32]}"
            subject = self._token_check(credential) if self._token_check is not None else None
            if subject is not None:
                self._let_in.add(address, digest)
                return f"token:{_digest(subject).hex()[:32]}"
            self._failures.wait_seconds(address)
        raise unauthorized()

    def _refuse_guessers(self, address: str) -> None:
        wait = self._failures.wait_seconds(address, take=False)
        if wait > 0:
            raise too_busy("rate_limited", "Too many failed logins", max(1, math.ceil(wait)))


class _LetIn:
    """Who was let in lately: pairs of address and hash of the key or token, a bounded number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pairs: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def knows(self, address: str, digest: bytes) -> bool:
        with self._lock:
            return (address, digest) in self._pairs

    def add(self, address: str, digest: bytes) -> None:
        with self._lock:
            self._pairs[address, digest] = None
            self._pairs.move_to_end((address, digest))
            while len(self._pairs) > MAX_CALLERS:
                self._pairs.popitem(last=False)


def credential_of(request: Request) -> str | None:
    """The key or token that the request shows."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.headers.get("X-API-Key") or None


class JwtCheck:
    """Verifies signature, times, and, where configured, audience and issuer of a JWT.

    Args:
        key: the shared secret, or the public key as PEM.
        algorithm: "HS256" or "RS256"; what the token's header says is not believed.
        audience, issuer: expected claims, or empty.
    """

    def __init__(self, key: str, algorithm: str, audience: str, issuer: str) -> None:
        try:
            import jwt
        except ImportError:
            raise SettingsError("tokens need PyJWT: pip install 'indextts-service[jwt]'") from None
        try:
            jwt.get_algorithm_by_name(algorithm).prepare_key(key)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # A check that never succeeds would refuse everybody, and nobody would know why.
            raise SettingsError(f"the key of the tokens cannot be used: {error}") from None
        self._jwt = jwt
        self._key = key
        self._algorithm = algorithm
        self._audience = audience or None
        self._issuer = issuer or None

    def __call__(self, token: str) -> str | None:
        try:
            claims: dict[str, Any] = self._jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
            )
        except self._jwt.PyJWTError:
            return None
        return str(claims["sub"])


def make_authenticator(settings: Settings) -> Authenticator:
    """The authenticator that the settings ask for.

    Raises:
        SettingsError: a file cannot be read or is empty.
    """
    keys = settings.api_keys
    if settings.api_keys_file:
        lines = _read(settings.api_keys_file, "INDEXTTS_API_KEYS_FILE").splitlines()
        found = tuple(x.strip() for x in lines if x.strip() and not x.lstrip().startswith("#"))
        if not found:
            raise SettingsError("INDEXTTS_API_KEYS_FILE: the file holds no key")
        keys += found
    check: JwtCheck | None = None
    if settings.jwt_secret:
        check = JwtCheck(settings.jwt_secret, "HS256", settings.jwt_audience, settings.jwt_issuer)
    elif settings.jwt_public_key_file:
        pem = _read(settings.jwt_public_key_file, "INDEXTTS_JWT_PUBLIC_KEY_FILE")
        check = JwtCheck(pem, "RS256", settings.jwt_audience, settings.jwt_issuer)
    return Authenticator(keys, check)


def _read(path: str, variable: str) -> str:
    try:
        # Editors on Windows put a byte order mark in front.
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}: cannot read the file: {error}") from None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
