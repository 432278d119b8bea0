"""Hostile names against a real server: what they can reach is watched on the disk."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.app.conftest import wave_bytes
from tests.app.gunicorn_server import Server, running_server
from tests.app.voices.hostile import HOSTILE_NAMES, IDS
from tests.app.voices.test_store import listing

pytestmark = pytest.mark.deploy

VOICES = "/v1/audio/voices"
CLIP = wave_bytes()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of voices is the middle one of three; canaries lie in all of them."""
    root = tmp_path_factory.mktemp("hostile") / "around"
    for folder in (root, root / "voices", root / "voices" / "sub"):
        folder.mkdir()
        for name in ("canary", "canary.wav", "canary.json", "canary.flac.txt"):
            if folder.name != "voices" or name != "canary.wav":
                (folder / name).write_bytes(CLIP if name.endswith("wav") else b"{}")
    (root / "voices" / "good.wav").write_bytes(CLIP)
    (root / "voices" / "link.wav").symlink_to(root / "canary.wav")
    (root / "voices" / ".hidden.wav").write_bytes(CLIP)
    return root


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    voices = root / "voices"
    with running_server(folder, CLIP.hex(), voices_dir=voices, voices_write="true") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        with contextlib.closing(connection):
            ask(connection, "DELETE", f"{VOICES}/nobody")  # the lock is there from now on
        yield server


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes = b"",
    content_type: str = "application/json",
) -> tuple[int, bytes]:
    """One request; the target goes out as it is, which other clients would tidy up."""
    connection.putrequest(method, target, skip_accept_encoding=True)
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    data = answer.read()
    if answer.will_close:
        connection.close()
    return answer.status, data


def form(name: str) -> bytes:
    """A multipart form that adds a voice; nothing in the name is escaped."""
    fields = [
        (b'name="name"', name.encode("utf-8", "surrogatepass")),
        (b'name="consent"', b"a test"),
        (b'name="audio_sample"; filename="../../canary.wav"', CLIP),
    ]
    parts = [
        b"--limit\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % field for field in fields
    ]
    return b"".join(parts) + b"--limit--\r\n"


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "link", ".hidden"], ids=[*IDS, "link", "hidden"])
def test_hostile_names_touch_nothing(server: Server, root: Path, name: str) -> None:
    before = listing(root)
    encoded = quote(name.encode("utf-8", "surrogatepass"), safe="")
    targets = [encoded, quote(encoded, safe="")]
    if name.isascii() and name.isprintable() and " " not in name:
        targets.append(name)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    statuses = []
    with contextlib.closing(connection):
        for target in targets:
            for method, end in (("GET", "/sample"), ("DELETE", ""), ("DELETE", "/")):
                status, body = ask(connection, method, f"{VOICES}/{target}{end}")
                statuses.append(status)
                assert CLIP not in body
        content_type = "multipart/form-data; boundary=limit"
        if name not in ("link", ".hidden"):
            statuses.append(ask(connection, "POST", VOICES, form(name), content_type)[0])
        body = json.dumps({"text": "hello", "spk_audio": f"voice:{name}"}).encode()
        statuses.append(ask(connection, "POST", "/tts", body)[0])
    # 308: Werkzeug's answer to doubled slashes.
    assert all(status == 308 or 400 <= status < 500 for status in statuses), statuses
    assert listing(root) == before


def test_the_server_is_as_it_was(server: Server, root: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        status, body = ask(connection, "GET", VOICES)
        assert (status, json.loads(body)["voices"]) == (200, ["good"])
        assert ask(connection, "GET", f"{VOICES}/good/sample") == (200, CLIP)
        assert (
            ask(connection, "POST", VOICES, form("fine"), "multipart/form-data; boundary=limit")[0]
            == 201
        )
        assert ask(connection, "DELETE", f"{VOICES}/fine")[0] == 200
    assert "Traceback" not in server.log
