from __future__ import annotations

import threading

from indextts.utils.lru import ByteLRU


def test_least_recently_used_leaves_first() -> None:
    cache: ByteLRU[str, bytes] = ByteLRU(10, len)
    for key in "ab":
        cache.get_or_make(key, lambda: b"1234")
    cache.get_or_make("a", lambda: b"never")
    cache.get_or_make("c", lambda: b"1234")
    assert cache.get_or_make("a", lambda: b"gone") == b"1234"
    assert cache.get_or_make("b", lambda: b"new") == b"new"
    stats = cache.stats()
    assert (stats.hits, stats.misses) == (2, 4)
    assert stats.bytes <= 10


def test_oversized_values_and_a_bound_of_zero_keep_nothing() -> None:
    cache: ByteLRU[str, bytes] = ByteLRU(3, len)
    assert cache.get_or_make("a", lambda: b"1234") == b"1234"
    assert cache.stats().entries == 0
    off: ByteLRU[str, bytes] = ByteLRU(0, len)
    off.get_or_make("a", lambda: b"1")
    assert off.stats().entries == 0


def test_threads_agree_on_bytes() -> None:
    cache: ByteLRU[int, bytes] = ByteLRU(50, len)

    def work(offset: int) -> None:
        for i in range(300):
            assert cache.get_or_make((i * offset) % 20, lambda: b"12345") == b"12345"

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = cache.stats()
    assert stats.bytes == 5 * stats.entries <= 50
    cache.clear()
    assert cache.stats().bytes == 0
