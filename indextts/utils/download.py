"""Fetch one large file: resumable, verified, and never half under its final name."""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from indextts.utils.http_client import ConnectionLostError, DownloadError, HttpClient

_CHUNK = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class RemoteFile:
    """A file on a hub.

    Attributes:
        url: where to get it.
        size: in bytes, if known.
        sha256: in lower-case hex, if known.
        commit: the revision that the hub says it belongs to, if it says so.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    commit: str | None = None


def part_path(target: Path) -> Path:
    """Where an unfinished download lies."""
    return target.with_name(target.name + ".part")


def part_size(target: Path) -> int:
    """Bytes that an earlier, interrupted download left."""
    part = part_path(target)
    return part.stat().st_size if part.is_file() else 0


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_file(
    client: HttpClient,
    remote: RemoteFile,
    target: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> str:
    """Download `remote` to `target`, going on where an earlier call stopped.

    The bytes go to ``NAME.part``; only a complete and verified file gets its name, in one step.
    An interruption of any kind leaves the part, for the next call.

    Args:
        client: session of the hub.
        remote: what to fetch; size and hash are checked where they are known.
        target: final path; folders are made.
        progress: told the number of bytes that lie in the part now; may go back to 0.

    Returns:
        SHA-256 of the file in lower-case hex.

    Raises:
        DownloadError: refused, not found, of another size or content, or lost too often.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(target)
    with part.open("ab") as file, _alone(file, part):
        try:
            digest = _fill_and_verify(client, remote, part, file, progress)
        except BaseException:
            if part.stat().st_size == 0:
                part.unlink()
            raise
        part.replace(target)
    return digest


def _fill_and_verify(
    client: HttpClient,
    remote: RemoteFile,
    part: Path,
    file: BinaryIO,
    progress: Callable[[int], None],
) -> str:
    resumed = file.seek(0, 2) > 0
    _fill(client, remote, file, progress)
    digest = sha256_of(part)
    if remote.sha256 is not None and digest != remote.sha256 and resumed:
        # The older bytes may be of another revision: once more from the start.
        file.truncate(0)
        _fill(client, remote, file, progress)
        digest = sha256_of(part)
    if remote.sha256 is not None and digest != remote.sha256:
        file.truncate(0)
        raise DownloadError(
            f"{_shown(remote)}: what came has SHA-256 {digest}, expected {remote.sha256}; it was "
            "thrown away. Try again, or use another --source."
        )
    return digest


def _fill(
    client: HttpClient, remote: RemoteFile, file: BinaryIO, progress: Callable[[int], None]
) -> None:
    """Append to `file` until it is complete."""
    if remote.size is not None and file.seek(0, 2) > remote.size:
        file.truncate(0)
    failures = 0
    while True:
        before = file.seek(0, 2)
        progress(before)
        if remote.size is not None and before == remote.size:
            return
        try:
            _append(client, remote, file, progress)
            return
        except ConnectionLostError as error:
            failures = 1 if file.seek(0, 2) > before else failures + 1
            client.policy.pause(failures, error)


def _append(
    client: HttpClient, remote: RemoteFile, file: BinaryIO, progress: Callable[[int], None]
) -> None:
    """One request for what is not there yet.

    Raises:
        ConnectionLostError: the connection broke; what came is in the file.
        DownloadError: the server sends another file than `remote` describes.
    """
    at = file.seek(0, 2)
    headers = {"Range": f"bytes={at}-"} if at else {}
    with client.request(
        "GET",
        remote.url,
        headers,
        stream=True,
        accept=frozenset({HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}),
    ) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            # The part is as long as the file or longer.  Only a known size could tell, and that
            # case was dealt with before: start again.
            if not at:
                raise DownloadError(f"{_shown(remote)}: the server refuses to send it (416)")
            file.truncate(0)
            raise ConnectionLostError(f"{_shown(remote)}: the part cannot be continued")
        at, total = _placement(response, at, remote)
        if remote.size is not None and total is not None and total != remote.size:
            raise DownloadError(
                f"{_shown(remote)} has {total:,} bytes on the server, expected "
                f"{remote.size:,}. The repository has changed, or the mirror is not complete: "
                "choose a --revision or another --source."
            )
        file.truncate(at)
        file.seek(at)
        try:
            # read1 hands over what has come; a plain read of a whole chunk would lose the
            # beginning of the chunk in which the connection breaks.
            while chunk := response.raw.read1(_CHUNK):
                file.write(chunk)
                at += len(chunk)
                progress(at)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionLostError(
                f"{_shown(remote)}: the connection broke again and again, last after "
                f"{at:,} bytes ({type(error).__name__}). Run the command again to go on."
            ) from error
        finally:
            file.flush()
    wanted = total if total is not None else remote.size
    if wanted is not None and at != wanted:
        raise ConnectionLostError(f"{_shown(remote)}: only {at:,} of {wanted:,} bytes came")


def _placement(response: requests.Response, at: int, remote: RemoteFile) -> tuple[int, int | None]:
    """Where the answer's body belongs, and the length of the whole file if it is known."""
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != at:
            raise DownloadError(
                f"{_shown(remote)}: the server sent another range than asked for. Delete the "
                ".part file to start again, or use another --source."
            )
        return at, None if match[2] == "*" else int(match[2])
    # A server that does not know ranges sends everything.
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


@contextmanager
def _alone(file: BinaryIO, path: Path) -> Iterator[None]:
    """Keep a second process from writing into the same part."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DownloadError(
            f"{path}: another download is writing this file; wait until it is done."
        ) from None
    yield


def _shown(remote: RemoteFile) -> str:
    return remote.url.split("?", 1)[0]
