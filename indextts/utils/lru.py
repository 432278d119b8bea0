"""A cache of recent results, bounded in bytes, for several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True)
class CacheStats:
    """Counters since the start, and what is held now."""

    hits: int
    misses: int
    entries: int
    bytes: int


class ByteLRU(Generic[K, V]):
    """Least recently used entries leave first when the sum of their sizes passes `max_bytes`.

    Args:
        max_bytes: bound on the sum of the sizes; 0 keeps nothing.
        size_of: bytes of a value.
    """

    def __init__(self, max_bytes: int, size_of: Callable[[V], int]) -> None:
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = self._hits = self._misses = 0

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """The value under `key`; made outside the lock, so two threads may make the same one."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                self._hits += 1
                return self._entries[key][0]
            self._misses += 1
        value = make()
        size = self._size_of(value)
        with self._lock:
            if key not in self._entries and size <= self._max_bytes:
                self._entries[key] = (value, size)
                self._bytes += size
                while self._bytes > self._max_bytes:
                    _, (_, dropped) = self._entries.popitem(last=False)
                    self._bytes -= dropped
        return value

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def stats(self) -> CacheStats:
        with self._lock:
            return CacheStats(self._hits, self._misses, len(self._entries), self._bytes)
