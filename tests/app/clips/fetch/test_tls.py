from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from app.clips.errors import AudioInputError, Code, DownloadTimeoutError
from app.clips.fetch.download import fetch
from app.clips.fetch.policy import FetchPolicy
from tests.app.clips.fetch.servers import (
    HURRIED,
    LOCAL,
    Certificate,
    Drip,
    Lookups,
    Script,
    ScriptServer,
    answer,
    make_certificate,
    raw,
    silent,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "tls.example")


def local_names(verify: bool | str) -> FetchPolicy:
    lookups = Lookups(tls_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    return replace(LOCAL, verify=verify, resolver=lookups.resolver)


def get(certificate: Certificate, verify: bool | str, host: str, script: Script) -> bytes:
    with ScriptServer(script, tls=certificate.context) as server:
        return fetch(server.url(scheme="https", host=host), local_names(verify))


def test_trusted_authority(certificate: Certificate) -> None:
    assert get(certificate, str(certificate.file), "tls.example", answer(b"safe")) == b"safe"


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
def test_certificate_for_another_name(certificate: Certificate, host: str) -> None:
    with pytest.raises(AudioInputError) as caught:
        get(certificate, str(certificate.file), host, answer(b"safe"))
    assert caught.value.code is Code.BAD_CERTIFICATE


def test_self_signed_certificate(certificate: Certificate) -> None:
    with pytest.raises(AudioInputError) as caught:
        get(certificate, True, "tls.example", answer(b"safe"))
    assert caught.value.code is Code.BAD_CERTIFICATE


def test_unverified(certificate: Certificate) -> None:
    assert get(certificate, False, "other.example", answer(b"safe")) == b"safe"


def test_end_without_notice_is_a_cut(certificate: Certificate) -> None:
    with pytest.raises(AudioInputError) as caught:
        get(certificate, False, "tls.example", raw(b"HTTP/1.1 200 OK\r\n\r\n", b"half"))
    assert caught.value.code is Code.TRUNCATED


def test_plain_server_on_a_tls_url() -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n" * 10)

    with ScriptServer(script, talks_first=True) as server, pytest.raises(AudioInputError) as caught:
        fetch(server.url(scheme="https"), LOCAL)
    assert caught.value.code in (Code.PROTOCOL_ERROR, Code.TRUNCATED)


def test_silent_handshake() -> None:
    with (
        ScriptServer(silent, talks_first=True) as server,
        pytest.raises(DownloadTimeoutError),
    ):
        fetch(server.url(scheme="https"), replace(HURRIED, connect_seconds=5.0))


def test_dripping_tls_server(certificate: Certificate) -> None:
    drip = Drip(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 60, b"\r\nbody")
    policy = replace(local_names(False), total_seconds=0.3)
    with (
        ScriptServer(drip, tls=certificate.context) as server,
        pytest.raises(DownloadTimeoutError),
    ):
        fetch(server.url(scheme="https", host="tls.example"), policy)
    assert not drip.finished.is_set()


def test_missing_authority_file_shows_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FetchPolicy(verify=str(tmp_path / "none.pem"))
