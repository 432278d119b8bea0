"""A model hub on the loopback interface, as rude as a test wants it."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" * 6 + "abcd"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class FakeHub:
    """What the server has, how it misbehaves, and what it was asked.

    Attributes:
        files: ``OWNER/NAME/path`` -> content.
        cut_after: path -> bytes after which the connection breaks, one entry for each request.
        statuses: path -> statuses to answer GET with, one entry for each request.
        storage: address of another server that large files are redirected to.
        claimed_sha256: path -> hash to claim in place of the true one.
        served: path -> content to send in place of the one that the headers describe.
        asked: every request: method, path, lower-case headers.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    storage: str | None = None
    claimed_sha256: dict[str, str] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)
    knows_ranges: bool = True
    private: bool = False
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def requests(self, method: str, fragment: str) -> list[dict[str, str]]:
        """Headers of the requests of one kind."""
        return [head for verb, path, head in self.asked if verb == method and fragment in path]


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about; all else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.hub
        hub.asked.append(
            (self.command, self.path, {key.lower(): value for key, value in self.headers.items()})
        )
        if hub.private and "Authorization" not in self.headers:
            self._plain(401)
            return
        url = urlsplit(self.path)
        path = url.path.lstrip("/")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if path.startswith("api/v1/models/"):
            self._modelscope(path.removeprefix("api/v1/models/"), query)
        elif path.startswith("api/models/"):
            self._tree(path.removeprefix("api/models/"), query)
        elif "/resolve/" in path:
            repository, rest = path.split("/resolve/")
            self._file(unquote(f"{repository}/{rest.split('/', 1)[1]}"))
        elif path.startswith("storage/"):
            self._content(path.removeprefix("storage/"))
        else:
            self._plain(404)

    def _file(self, name: str) -> None:
        hub = self.hub
        if name not in hub.files:
            self._plain(404)
            return
        if self.command == "GET" and hub.statuses.get(name):
            self._plain(hub.statuses[name].pop(0))
            return
        if hub.storage is not None:
            content = hub.files[name]
            self.send_response(302)
            self.send_header("Location", f"{hub.storage}/storage/{name}?signature=x")
            self.send_header("X-Linked-Size", str(len(content)))
            claimed = hub.claimed_sha256.get(name, sha256(content))
            self.send_header("X-Linked-ETag", f'"{claimed}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._content(name)

    def _content(self, name: str) -> None:
        hub = self.hub
        content = hub.served.get(name, hub.files.get(name, b""))
        if self.command == "HEAD":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            if name in hub.claimed_sha256:
                self.send_header("ETag", f'"{hub.claimed_sha256[name]}"')
            self.end_headers()
            return
        start = 0
        asked = self.headers.get("Range", "")
        if asked and hub.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self._plain(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cuts = hub.cut_after.get(name)
        if cuts:
            self.wfile.write(content[start : start + cuts.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def _tree(self, path: str, query: dict[str, str]) -> None:
        repository, rest = path.split("/tree/")
        folder = rest.split("/", 1)[1]
        prefix = f"{repository}/"
        entries = [
            {"type": "file", "path": name.removeprefix(prefix), "size": len(content)}
            for name, content in self.hub.files.items()
            if name.startswith(f"{prefix}{folder}/")
        ]
        # One entry a page, so that following pages is tested whenever a folder is.
        page = int(query.get("cursor", "0"))
        more = {}
        if page + 1 < len(entries):
            more["Link"] = f'<{self.hub.url}/api/models/{path}?cursor={page + 1}>; rel="next"'
        if not entries:
            self._plain(404)
            return
        self._plain(200, json.dumps(entries[page : page + 1]).encode(), more)

    def _modelscope(self, path: str, query: dict[str, str]) -> None:
        if path.endswith("/repo/files"):
            prefix = path.removesuffix("/repo/files") + "/"
            root = query["Root"] + "/" if query.get("Root") else ""
            files = [
                {
                    "Type": "blob",
                    "Path": name.removeprefix(prefix),
                    "Size": len(content),
                    "Sha256": sha256(content),
                }
                for name, content in self.hub.files.items()
                if name.startswith(prefix + root)
            ]
            self._plain(200, json.dumps({"Code": 200, "Data": {"Files": files}}).encode())
        else:
            self._content(f"{path.removesuffix('/repo')}/{query['FilePath']}")

    def _plain(self, status: int, body: bytes = b"", more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (more or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
