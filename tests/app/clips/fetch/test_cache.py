from __future__ import annotations

import socket
import threading
from email.message import Message

import pytest

from app.clips.fetch.cache import CacheEntry, DownloadCache, make_entry
from app.clips.fetch.download import fetch
from tests.app.clips.fetch.servers import LOCAL, ScriptServer, answer


def headers(*lines: str) -> Message:
    message = Message()
    for line in lines:
        name, _, value = line.partition(": ")
        message[name] = value
    return message


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Cache-Control: no-store, max-age=60",),
        ("Cache-Control: max-age=60", "Cache-Control: No-Store"),
        ("Cache-Control: private, max-age=60",),
        ("Cache-Control: max-age=0",),
        ("Cache-Control: max-age=60", "Age: 60"),
        ("Cache-Control: max-age=60, s-maxage=0",),
        ("Cache-Control: max-age=-1",),
        ("Cache-Control: max-age=99999999999999999999",),
        ("Cache-Control: no-cache, max-age=60",),
        ('ETag: "x"', "Vary: *"),
        ('ETag: "x"', 'ETag: "y"'),
        ('ETag: "\u00e9"',),
        ("ETag: " + "x" * 1000,),
    ],
)
def test_answer_that_is_not_kept(lines: tuple[str, ...]) -> None:
    assert make_entry(b"body", headers(*lines)) is None


def test_freshness_and_validators() -> None:
    entry = make_entry(b"body", headers('Cache-Control: public, Max-Age="60"', 'ETag: W/"x"'))
    assert entry is not None
    assert entry.fresh
    assert entry.conditions == {"If-None-Match": 'W/"x"'}
    entry = make_entry(b"body", headers("Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT"))
    assert entry is not None
    assert not entry.fresh
    assert entry.conditions == {"If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}
    entry = make_entry(b"body", headers("Cache-Control: no-cache, max-age=60", "ETag: x"))
    assert entry is not None
    assert not entry.fresh


def entry_of(size: int) -> CacheEntry:
    return CacheEntry(bytes(size), "x", None, 0.0)


def test_least_recently_used_goes_first_and_bytes_are_bounded() -> None:
    cache = DownloadCache(10_000)
    for name in "abc":
        cache.put(name, entry_of(2000))
    assert cache.get("a") is not None
    cache.put("d", entry_of(2000))
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]
    cache.put("big", entry_of(10_000))
    assert cache.get("big") is None
    cache.put("a", entry_of(10))
    cache.put("c", None)
    assert len(cache) == 2
    assert cache.size == 10 + 2000 + 2 * (1 + 1024)


def test_threads_share_a_cache() -> None:
    cache = DownloadCache(20_000)

    def work(seed: int) -> None:
        for step in range(300):
            name = str((seed * 7 + step) % 20)
            cache.put(name, entry_of(1000))
            cache.get(name)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < cache.size <= 20_000
    for name in range(20):
        cache.put(str(name), None)
    assert (cache.size, len(cache)) == (0, 0)


def test_fresh_answer_is_not_asked_for_again() -> None:
    cache = DownloadCache(100_000)
    with ScriptServer(answer(b"kept", "200 OK", "Cache-Control: max-age=60")) as server:
        for _ in range(3):
            assert fetch(server.url(), LOCAL, cache=cache) == b"kept"
        assert len(server.requests) == 1
        assert fetch(server.url(), LOCAL) == b"kept"
        assert fetch(server.url("/other"), LOCAL, cache=cache) == b"kept"
        assert len(server.requests) == 3


def test_revalidation() -> None:
    cache = DownloadCache(100_000)
    version = ["one"]

    def script(connection: socket.socket, head: bytes) -> None:
        tag = f'ETag: "{version[0]}"'
        if f'If-None-Match: "{version[0]}"'.encode() in head:
            reply = answer(b"", "304 Not Modified", tag)
        else:
            reply = answer(version[0].encode(), "200 OK", tag)
        reply(connection, head)

    with ScriptServer(script) as server:
        assert fetch(server.url(), LOCAL, cache=cache) == b"one"
        assert fetch(server.url(), LOCAL, cache=cache) == b"one"
        assert b'If-None-Match: "one"\r\n' in server.requests[1]
        version[0] = "two"
        assert fetch(server.url(), LOCAL, cache=cache) == b"two"
        assert fetch(server.url(), LOCAL, cache=cache) == b"two"
        assert b'If-None-Match: "two"\r\n' in server.requests[3]


def test_confirmation_renews_or_ends_an_entry() -> None:
    entry = make_entry(b"body", headers('ETag: "x"'))
    assert entry is not None
    renewed = entry.renewed(headers("Cache-Control: max-age=60"))
    assert renewed is not None
    assert renewed.fresh
    assert renewed.etag == '"x"'
    unchanged = entry.renewed(headers())
    assert unchanged is not None
    assert unchanged.conditions == entry.conditions
    assert entry.renewed(headers("Cache-Control: no-store")) is None


def test_redirect_is_not_kept_but_its_end_is() -> None:
    cache = DownloadCache(100_000)
    fresh = "Cache-Control: max-age=60"

    def script(connection: socket.socket, head: bytes) -> None:
        last = head.startswith(b"GET /end ")
        reply = answer(b"end", "200 OK", fresh) if last else answer(b"", "302 A", "Location: /end")
        reply(connection, head)

    with ScriptServer(script) as server:
        for _ in range(2):
            assert fetch(server.url("/start"), LOCAL, cache=cache) == b"end"
    assert [head.split()[1] for head in server.requests] == [b"/start", b"/end", b"/start"]
