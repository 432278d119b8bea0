"""OpenAI's routes through Nginx: sound as it is made, and files that hold up nobody."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
import requests
from openai import OpenAI

from tests.app.gunicorn_server import wait_for
from tests.deploy.instances import Instance, running_instance
from tests.deploy.nginx_site import Certificate, Site, running_nginx

pytestmark = pytest.mark.deploy

PATH = "/v1/audio/speech"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = tmp_path_factory.mktemp("instance")
    settings = {"trust_proxy": 1, "max_text_chars": 100_000, "api_keys": "right"}
    with running_instance(f"unix:{folder}/api.sock", folder / "instance", **settings) as running:
        running.start()
        yield running


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, instance: Instance, certificate: Certificate
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx") / "nginx"
    with running_nginx(folder, [instance.address], certificate, "") as running:
        yield running


def ask(site: Site, text: str, key: str = "right", **fields: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return site.post(PATH, json={"input": text, **fields}, headers=headers, stream=True)


@pytest.mark.parametrize("fields", [{"response_format": "pcm"}, {"stream_format": "sse"}])
def test_sound_comes_while_it_is_made(
    site: Site, instance: Instance, fields: dict[str, str]
) -> None:
    """The second segment waits for a file that is there once the first one was heard."""
    gate = instance.folder / "gate"
    with ask(site, "first\n[until gate]", **fields) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        pieces = answer.iter_content(None)
        first = next(pieces)
        assert len(first) > 1000
        gate.touch()
        whole = first + b"".join(pieces)
    gate.unlink()
    if "stream_format" in fields:
        assert b"speech.audio.done" in whole
    else:
        assert len(whole) == pytest.approx(2 * 24_000 * (0.15 + 0.2 + 0.22), abs=10)


def test_who_hangs_up_ends_the_synthesis(site: Site, instance: Instance) -> None:
    for fields in ({}, {"response_format": "wav"}):
        text = f"[slow 250] {json.dumps(fields)}"
        with site.connect() as connection:
            body = json.dumps({"input": text, **fields}).encode()
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer right\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body)
            wait_for(lambda: any(text in line for line in instance.events("start")))  # noqa: B023
        wait_for(lambda: any(text in line for line in instance.events("CancelledError")))  # noqa: B023


def test_errors_pass_in_openais_form(site: Site) -> None:
    refused = ask(site, "hello", key="wrong")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    unknown = ask(site, "hello", voice="nobody")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "voice")


def test_the_package_of_openai_speaks_through_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(site.certificate.cert))
    with OpenAI(base_url=f"{site.url}/v1", api_key="right") as client:
        made = client.audio.speech.create(
            model="tts-1", voice="alloy", input="hello", response_format="wav"
        )
        assert made.content[:4] == b"RIFF"
        assert "tts-1" in [model.id for model in client.models.list()]


def test_a_slow_reader_of_a_whole_file_holds_no_thread(site: Site, instance: Instance) -> None:
    """Nginx takes the file, 5 MB, from the instance, which can end before anybody reads it."""
    text = "\n".join(["a" * 190] * 60)
    body = json.dumps({"input": text, "response_format": "wav"}).encode()
    with site.connect() as connection:
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer right\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert instance.terminate() == 0
        assert len(answer.read()) == int(answer.headers["Content-Length"]) > 5_000_000
    instance.start()
