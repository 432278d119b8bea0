"""The two model hubs: where their files lie, and what they tell about them beforehand."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, urljoin

import requests

from indextts.utils.download import RemoteFile
from indextts.utils.http_client import DownloadError, HttpClient, origin

HUGGINGFACE_ENDPOINT = "https://huggingface.co"
MODELSCOPE_ENDPOINT = "https://modelscope.cn"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_REDIRECTS = 5
_MOST_PAGES = 100


class Hub(Protocol):
    """What a download needs to know of a hub."""

    def describe(self, repository: str, revision: str, path: str) -> RemoteFile:
        """Address, size and hash of a file; raises DownloadError."""
        ...

    def files_in(self, repository: str, revision: str, folder: str) -> tuple[str, ...]:
        """Paths (from the root of the repository) of all files below a folder.

        Raises:
            DownloadError: no such folder, or an answer that makes no sense.
        """
        ...


class HuggingFace:
    """huggingface.co, or a mirror of it."""

    def __init__(self, client: HttpClient, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint.rstrip("/")

    def describe(self, repository: str, revision: str, path: str) -> RemoteFile:
        """Ask for the headers of a file.

        For a large file the hub redirects to a storage host and names size and SHA-256 in
        ``X-Linked-Size`` and ``X-Linked-ETag``.  The storage host is not asked: its signed
        addresses hold for GET only, and its ETag is no SHA-256.
        """
        url = self._url(repository, revision, path)
        size: int | None = None
        sha256: str | None = None
        commit: str | None = None
        at = url
        for _ in range(_MOST_REDIRECTS):
            response = self._client.request_patiently("HEAD", at, follow=False)
            headers = response.headers
            commit = headers.get("X-Repo-Commit", commit)
            size = _number(headers.get("X-Linked-Size")) or size
            sha256 = _digest(headers.get("X-Linked-ETag") or headers.get("ETag")) or sha256
            if not response.is_redirect:
                size = size if size is not None else _number(headers.get("Content-Length"))
                break
            target = urljoin(at, headers["Location"])
            if origin(target) != origin(url) or headers.get("X-Linked-Size"):
                break
            at = target
        else:
            raise DownloadError(f"{url}: redirected more than {_MOST_REDIRECTS} times")
        # The commit holds still, should the branch move while we download.
        pinned = self._url(repository, commit, path) if commit else url
        return RemoteFile(pinned, size, sha256, commit)

    def files_in(self, repository: str, revision: str, folder: str) -> tuple[str, ...]:
        url: str | None = (
            f"{self._endpoint}/api/models/{repository}/tree/{quote(revision, safe='')}/"
            f"{quote(folder)}?recursive=true"
        )
        paths: list[str] = []
        for _ in range(_MOST_PAGES):
            if url is None:
                break
            response = self._client.request_patiently("GET", url)
            for entry in _list_of_mappings(_json(response), url):
                if entry.get("type") == "file":
                    paths.append(str(entry.get("path")))
            following = response.links.get("next", {}).get("url")
            url = urljoin(url, following) if following else None
        return _below(folder, paths, f"{self._endpoint}/{repository}")

    def _url(self, repository: str, revision: str, path: str) -> str:
        at = f"{quote(revision, safe='')}/{quote(path)}"
        return f"{self._endpoint}/{repository}/resolve/{at}"


class ModelScope:
    """modelscope.cn.  Its default branch is called ``master``."""

    def __init__(self, client: HttpClient, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint.rstrip("/")

    def describe(self, repository: str, revision: str, path: str) -> RemoteFile:
        folder = str(PurePosixPath(path).parent)
        for entry in self._entries(repository, revision, "" if folder == "." else folder):
            if entry.get("Path") == path:
                return RemoteFile(
                    f"{self._endpoint}/api/v1/models/{repository}/repo"
                    f"?Revision={quote(_branch(revision), safe='')}"
                    f"&FilePath={quote(path, safe='')}",
                    _number(str(entry.get("Size"))),
                    _digest(str(entry.get("Sha256"))),
                )
        raise DownloadError(
            f"{self._endpoint}/models/{repository} has no file {path!r} in revision "
            f"{_branch(revision)!r}. Check --revision, or fetch it with --source huggingface."
        )

    def files_in(self, repository: str, revision: str, folder: str) -> tuple[str, ...]:
        paths = [
            str(entry.get("Path"))
            for entry in self._entries(repository, revision, folder)
            if entry.get("Type") == "blob"
        ]
        return _below(folder, paths, f"{self._endpoint}/models/{repository}")

    def _entries(self, repository: str, revision: str, folder: str) -> list[dict[str, Any]]:
        url = (
            f"{self._endpoint}/api/v1/models/{repository}/repo/files"
            f"?Revision={quote(_branch(revision), safe='')}&Recursive=true"
            f"&Root={quote(folder, safe='')}"
        )
        answer = _json(self._client.request_patiently("GET", url))
        data = answer.get("Data") if isinstance(answer, dict) else None
        return _list_of_mappings(data.get("Files") if isinstance(data, dict) else None, url)


def _branch(revision: str) -> str:
    return "master" if revision == "main" else revision


def _below(folder: str, paths: list[str], where: str) -> tuple[str, ...]:
    """Only what really lies in the folder: a server must not choose where we write."""
    root = PurePosixPath(folder)
    inside = tuple(
        path
        for path in paths
        if root in PurePosixPath(path).parents and ".." not in PurePosixPath(path).parts
    )
    if not inside:
        raise DownloadError(f"{where} has no files in {folder!r}. Check --revision.")
    return inside


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        raise DownloadError(f"{response.url}: the answer is not JSON; is this a hub?") from error


def _list_of_mappings(value: object, url: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise DownloadError(f"{url}: the answer is no list of files; is this a hub?")
    return value


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _digest(text: str | None) -> str | None:
    """A SHA-256 from an ETag; others (git hashes, MD5) are of another length."""
    bare = (text or "").removeprefix("W/").strip('"').lower()
    return bare if _SHA256.fullmatch(bare) else None
