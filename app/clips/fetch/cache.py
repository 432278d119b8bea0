"""Downloaded clips kept for as long as their servers allow (RFC 9111, the part of a shared cache).

Only the final answer of a chain of redirects is kept, under its own URL; nothing is served stale.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from email.message import Message

# What an entry costs besides its body.
_OVERHEAD = 1024
_MAX_AGE_DIGITS = 9


@dataclass(frozen=True)
class CacheEntry:
    """A stored answer.

    Attributes:
        body: the file.
        etag: the ETag header, or None.
        last_modified: the Last-Modified header, or None.
        fresh_until: value of ``time.monotonic()`` until which nobody needs to be asked.
    """

    body: bytes = field(repr=False)
    etag: str | None
    last_modified: str | None
    fresh_until: float

    @property
    def fresh(self) -> bool:
        return time.monotonic() < self.fresh_until

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask whether the entry still holds."""
        headers = {}
        if self.etag is not None:
            headers["If-None-Match"] = self.etag
        if self.last_modified is not None:
            headers["If-Modified-Since"] = self.last_modified
        return headers

    def renewed(self, headers: Message) -> CacheEntry | None:
        """The entry after a 304 with these headers; None if it must not be kept any longer."""
        renewed = make_entry(self.body, headers)
        if renewed is None:
            # A 304 need not repeat the validators that it confirms.
            return None if _forbidden(headers) else replace(self, fresh_until=0.0)
        return replace(
            renewed,
            etag=renewed.etag or self.etag,
            last_modified=renewed.last_modified or self.last_modified,
        )


def make_entry(body: bytes, headers: Message) -> CacheEntry | None:
    """An entry for an answer, or None if it may not or cannot usefully be kept."""
    if _forbidden(headers):
        return None
    seconds = _fresh_seconds(headers)
    etag = _single(headers, "ETag")
    last_modified = _single(headers, "Last-Modified")
    if seconds <= 0 and etag is None and last_modified is None:
        return None
    return CacheEntry(body, etag, last_modified, time.monotonic() + seconds)


class DownloadCache:
    """Least-recently-used store of answers by URL, bounded in bytes; threads may share it.

    It belongs to one FetchPolicy: an entry was checked by the policy that fetched it.

    Args:
        max_bytes: bound on the sum of the bodies and of what holding them costs.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, CacheEntry] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, url: str) -> CacheEntry | None:
        with self._lock:
            entry = self._entries.get(url)
            if entry is not None:
                self._entries.move_to_end(url)
            return entry

    def put(self, url: str, entry: CacheEntry | None) -> None:
        """Store an entry in place of the one that is there; None only takes that one out."""
        with self._lock:
            old = self._entries.pop(url, None)
            if old is not None:
                self._bytes -= _cost(url, old)
            if entry is None or _cost(url, entry) > self._max_bytes:
                return
            self._entries[url] = entry
            self._bytes += _cost(url, entry)
            while self._bytes > self._max_bytes:
                oldest, dropped = self._entries.popitem(last=False)
                self._bytes -= _cost(oldest, dropped)


def _cost(url: str, entry: CacheEntry) -> int:
    return len(entry.body) + len(url) + _OVERHEAD


def _directives(headers: Message) -> dict[str, str]:
    """Cache-Control as name -> value; both in lower case, quotes taken off."""
    parts = ",".join(headers.get_all("Cache-Control", [])).lower().split(",")
    pairs = (part.strip().partition("=") for part in parts if part.strip())
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _forbidden(headers: Message) -> bool:
    directives = _directives(headers)
    varying = "*" in ",".join(headers.get_all("Vary", []))
    return "no-store" in directives or "private" in directives or varying


def _fresh_seconds(headers: Message) -> int:
    directives = _directives(headers)
    if "no-cache" in directives:
        return 0
    # A shared cache looks at s-maxage first (RFC 9111, 5.2.2.10).
    allowed = _seconds(directives.get("s-maxage", directives.get("max-age", "")))
    return allowed - _seconds(_single(headers, "Age") or "")


def _seconds(text: str) -> int:
    return int(text) if re.fullmatch(rf"[0-9]{{1,{_MAX_AGE_DIGITS}}}", text) else 0


def _single(headers: Message, name: str) -> str | None:
    """A header that appears once and is plain enough to be sent back."""
    values = headers.get_all(name, [])
    if len(values) != 1:
        return None
    text = str(values[0]).strip()
    return text if text.isascii() and text.isprintable() and 0 < len(text) <= 256 else None
