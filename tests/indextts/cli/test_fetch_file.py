"""The transfer of one file (utils/download.py, utils/http_client.py) against a real server."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from indextts.utils.download import RemoteFile, fetch_file, part_path, part_size
from indextts.utils.http_client import (
    ConnectionLostError,
    DownloadError,
    HttpClient,
    RetryPolicy,
)
from tests.indextts.cli.fake_hub import FakeHub, sha256

NAME = "a/b/big.bin"
CONTENT = bytes(range(256)) * 512


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(hub: FakeHub, waits: list[float]) -> Iterator[HttpClient]:
    hub.files[NAME] = CONTENT
    policy = RetryPolicy(attempts=3, read_timeout=5, sleep=waits.append)
    client = HttpClient(hub.url, "secret", policy)
    yield client
    client.close()


def remote(hub: FakeHub, size: int | None = len(CONTENT), digest: str | None = None) -> RemoteFile:
    return RemoteFile(f"{hub.url}/a/b/resolve/main/big.bin", size, digest or sha256(CONTENT))


def test_a_file_comes_whole(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    seen: list[int] = []
    target = tmp_path / "folder" / "big.bin"
    assert fetch_file(client, remote(hub), target, seen.append) == sha256(CONTENT)
    assert target.read_bytes() == CONTENT
    assert not part_path(target).exists()
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)
    assert hub.requests("GET", "big.bin")[0]["authorization"] == "Bearer secret"


def test_a_cut_connection_is_continued(
    hub: FakeHub, client: HttpClient, tmp_path: Path, waits: list[float]
) -> None:
    hub.cut_after[NAME] = [1000, 2000]
    fetch_file(client, remote(hub), tmp_path / "big.bin")
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    ranges = [head.get("range") for head in hub.requests("GET", "big.bin")]
    assert ranges == [None, "bytes=1000-", "bytes=3000-"]
    # There was progress each time, so the pauses do not grow.
    assert waits == [1.0, 1.0]


def test_an_older_part_is_continued(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    target = tmp_path / "big.bin"
    part_path(target).write_bytes(CONTENT[:5000])
    assert part_size(target) == 5000
    fetch_file(client, remote(hub), target)
    assert target.read_bytes() == CONTENT
    assert hub.requests("GET", "big.bin")[0]["range"] == "bytes=5000-"


def test_a_complete_part_costs_no_request(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    target = tmp_path / "big.bin"
    part_path(target).write_bytes(CONTENT)
    fetch_file(client, remote(hub), target)
    assert target.read_bytes() == CONTENT
    assert hub.asked == []


@pytest.mark.parametrize(
    "stale", [b"x" * 5000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)], ids=len
)
def test_a_part_of_another_revision_is_thrown_away(
    hub: FakeHub, client: HttpClient, tmp_path: Path, stale: bytes
) -> None:
    target = tmp_path / "big.bin"
    part_path(target).write_bytes(stale)
    fetch_file(client, remote(hub), target)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_too_long_for_an_unknown_size(
    hub: FakeHub, client: HttpClient, tmp_path: Path
) -> None:
    target = tmp_path / "big.bin"
    part_path(target).write_bytes(CONTENT)
    fetch_file(client, remote(hub, size=None), target)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    hub.knows_ranges = False
    target = tmp_path / "big.bin"
    part_path(target).write_bytes(CONTENT[:5000])
    fetch_file(client, remote(hub), target)
    assert target.read_bytes() == CONTENT


def test_wrong_size(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"131,072 bytes on the server, expected 7"):
        fetch_file(client, remote(hub, size=7), tmp_path / "big.bin")
    assert not (tmp_path / "big.bin").exists()


def test_wrong_hash(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="SHA-256") as caught:
        fetch_file(client, remote(hub, digest="0" * 64), tmp_path / "big.bin")
    assert "0" * 64 in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_giving_up_keeps_the_part(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    hub.cut_after[NAME] = [1000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"after 1,000 bytes.*Run the command again"):
        fetch_file(client, remote(hub), tmp_path / "big.bin")
    assert part_size(tmp_path / "big.bin") == 1000
    assert not (tmp_path / "big.bin").exists()


def test_an_interrupt_keeps_the_part(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_file(client, remote(hub), tmp_path / "big.bin", interrupt)
    assert part_size(tmp_path / "big.bin") > 0
    fetch_file(client, remote(hub), tmp_path / "big.bin")
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(
    hub: FakeHub, client: HttpClient, tmp_path: Path, waits: list[float]
) -> None:
    hub.statuses[NAME] = [503, 429]
    fetch_file(client, remote(hub), tmp_path / "big.bin")
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert waits == [1.0, 2.0]


def test_a_server_that_stays_busy(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    hub.statuses[NAME] = [503] * 3
    with pytest.raises(DownloadError, match="answered 503"):
        fetch_file(client, remote(hub), tmp_path / "big.bin")


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, "not found"), (410, "answered 410")],
)
def test_refusals_are_not_repeated(
    hub: FakeHub, client: HttpClient, tmp_path: Path, status: int, message: str
) -> None:
    hub.statuses[NAME] = [status]
    with pytest.raises(DownloadError, match=message):
        fetch_file(client, remote(hub), tmp_path / "big.bin")
    assert len(hub.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_nobody_listens(tmp_path: Path, waits: list[float]) -> None:
    policy = RetryPolicy(attempts=2, sleep=waits.append)
    client = HttpClient("http://127.0.0.1:9", None, policy)
    with pytest.raises(DownloadError, match=r"cannot reach 127\.0\.0\.1:9"):
        fetch_file(client, RemoteFile("http://127.0.0.1:9/x"), tmp_path / "x")
    assert waits == [1.0]


def test_the_token_stays_with_the_hub(
    hub: FakeHub, storage: FakeHub, client: HttpClient, tmp_path: Path
) -> None:
    storage.files[NAME] = CONTENT
    hub.storage = storage.url
    part_path(tmp_path / "big.bin").write_bytes(CONTENT[:10])
    fetch_file(client, remote(hub), tmp_path / "big.bin")
    assert (tmp_path / "big.bin").read_bytes() == CONTENT
    assert hub.requests("GET", "resolve")[0]["authorization"] == "Bearer secret"
    (there,) = storage.requests("GET", "storage")
    assert "authorization" not in there
    assert there["range"] == "bytes=10-"


def test_the_token_is_not_sent_to_another_address(hub: FakeHub, client: HttpClient) -> None:
    client.request("HEAD", hub.url.replace("127.0.0.1", "localhost") + "/a/b/resolve/main/big.bin")
    assert "authorization" not in hub.asked[-1][2]


def test_netrc_does_not_replace_the_token(
    hub: FakeHub, client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.request("HEAD", f"{hub.url}/a/b/resolve/main/big.bin")
    assert hub.asked[-1][2]["authorization"] == "Bearer secret"


def test_two_downloads_of_one_file(hub: FakeHub, client: HttpClient, tmp_path: Path) -> None:
    target = tmp_path / "big.bin"
    with part_path(target).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another download"):
            fetch_file(client, remote(hub), target)
    fetch_file(client, remote(hub), target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("endpoint", ["huggingface.co", "ftp://x", "http://", "http://x:port"])
def test_an_endpoint_that_is_none(endpoint: str) -> None:
    with pytest.raises(DownloadError, match="no web address"):
        HttpClient(endpoint, None, RetryPolicy())


def test_pauses_are_bounded() -> None:
    waits: list[float] = []
    policy = RetryPolicy(attempts=10, longest_wait=8, sleep=waits.append)
    for failures in range(1, 7):
        policy.pause(failures, ConnectionLostError("lost"))
    policy.pause(1, ConnectionLostError("lost", retry_after=5))
    policy.pause(1, ConnectionLostError("lost", retry_after=3600))
    assert waits == [1, 2, 4, 8, 8, 8, 5, 8]
    with pytest.raises(ConnectionLostError):
        policy.pause(10, ConnectionLostError("lost"))
