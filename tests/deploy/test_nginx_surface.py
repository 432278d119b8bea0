"""What a client sees of Nginx: TLS, redirects, headers, errors, the log."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.app.gunicorn_server import wait_for
from tests.deploy.instances import Instance
from tests.deploy.nginx_site import Certificate, Site, running_nginx
from tests.deploy.tools import free_port, output_of, tool

pytestmark = pytest.mark.deploy

HSTS = "max-age=31536000"


def _assert_common_error(answer: requests.Response, status: int, error: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"] == error
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["Strict-Transport-Security"] == HSTS


def test_http_is_redirected(site: Site) -> None:
    url = f"http://127.0.0.1:{site.http_port}/tts?a=b"
    answer = requests.post(url, data="{}", timeout=10, allow_redirects=False)
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{site.url}/tts?a=b"


def test_the_redirect_stays_on_this_site(site: Site) -> None:
    url = f"http://127.0.0.1:{site.http_port}/"
    headers = {"Host": "elsewhere.example"}
    answer = requests.get(url, headers=headers, timeout=10, allow_redirects=False)
    assert answer.headers["Location"] == f"{site.url}/"


def test_acme_challenges_are_answered_over_http(site: Site) -> None:
    challenge = site.folder / "acme/.well-known/acme-challenge/token"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("the answer")
    url = f"http://127.0.0.1:{site.http_port}/.well-known/acme-challenge/token"
    assert requests.get(url, timeout=10).text == "the answer"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_tls_is_spoken(site: Site, version: ssl.TLSVersion) -> None:
    context = site.tls(minimum_version=version, maximum_version=version)
    with site.connect(context) as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_old_tls_is_refused(site: Site) -> None:
    old = ssl.TLSVersion.TLSv1_1
    context = site.tls(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=old)
    # OpenSSL 3 would not even ask otherwise.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version|unsupported protocol"):
        site.connect(context)


def test_http2_is_offered(site: Site) -> None:
    context = site.tls()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with site.connect(context) as connection:
        assert connection.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize(
    ("size", "status"), [(0, 200), (43_000_000, 413)], ids=["a synthesis", "too large a body"]
)
def test_http2_is_served(site: Site, tmp_path: Path, size: int, status: int) -> None:
    body = json.dumps({"text": "hello" + "a" * size, "spk_audio": site.clip_hex})
    (tmp_path / "body").write_text(body)
    said = output_of(
        [
            *(tool("curl", "apt: curl"), "--silent", "--show-error", "--http2", "--max-time", "30"),
            *(
                "--cacert",
                site.certificate.cert,
                "--resolve",
                f"localhost:{site.https_port}:127.0.0.1",
            ),
            *("--header", "Content-Type: application/json", "--data-binary", f"@{tmp_path}/body"),
            *("--output", tmp_path / "answer", "--write-out", "%{http_version} %{http_code}"),
            f"{site.url}/tts",
        ]
    )
    assert said == f"2 {status}"
    answer = json.loads((tmp_path / "answer").read_text())
    assert answer["audio_hex"] if status == 200 else answer["error"] == "body_too_large"


def test_answers_carry_the_headers_once(site: Site) -> None:
    answer = site.speak("hello", **{"X-Request-ID": "from-the-client.1"})
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == HSTS
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"] == "from-the-client.1"
    assert answer.headers["Server"] == "nginx"


def test_a_hostile_request_id_is_replaced(site: Site) -> None:
    answer = site.get("/health", headers={"X-Request-ID": 'a" b'})
    assert len(answer.headers["X-Request-ID"]) == 32
    assert int(answer.headers["X-Request-ID"], 16) >= 0


def test_the_address_of_the_client_cannot_be_forged(
    site: Site, pair: tuple[Instance, Instance]
) -> None:
    answer = site.speak("[fail]", **{"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "forged"})
    assert answer.status_code == 500
    lines = [line for instance in pair for line in instance.log.splitlines() if "forged" in line]
    (access,) = [json.loads(line) for line in lines if '"route"' in line]
    assert access["client"] == "127.0.0.1"


def test_too_large_a_body(site: Site) -> None:
    body = b'{"text": "' + b"a" * (43 * 1024 * 1024) + b'"}'
    answer = site.post("/tts", data=body, headers={"Content-Type": "application/json"})
    _assert_common_error(answer, 413, "body_too_large")


def test_a_body_between_both_limits_is_answered_by_the_service(site: Site) -> None:
    answer = site.post("/tts", data=b"a" * 40_500_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"] == "body_too_large"
    assert "Content-Security-Policy" in answer.headers


def test_a_refusal_before_the_body_was_read_is_no_failure(site: Site) -> None:
    """A connection that is reset would be one: tried again, and the instance set aside."""
    for number in range(12):
        request_id = f"unread-{number}"
        answer = site.post(
            "/no-such-thing", data=b"a" * 20_000_000, headers={"X-Request-ID": request_id}
        )
        assert answer.status_code == 404
        assert site.access_line(request_id)["upstream_status"] == "404"


def test_a_body_of_unknown_length_is_accepted(site: Site) -> None:
    body = json.dumps({"text": "hello", "spk_audio": site.clip_hex}).encode()
    parts = (body[start : start + 1000] for start in range(0, len(body), 1000))
    answer = site.post("/tts", data=parts, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_large_answers_are_compressed(site: Site) -> None:
    answer = site.speak("hello", **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.json()["audio_hex"]


def test_metrics_stay_inside(site: Site, pair: tuple[Instance, Instance]) -> None:
    for path in ("/metrics", "/metrics?a", "//metrics", "/%6detrics", "/health/../metrics"):
        _assert_common_error(site.get(path), 404, "not_found")
    assert "indextts_" not in site.get("/metrics/").text


def test_plain_http_on_the_tls_port(site: Site) -> None:
    answer = requests.get(f"http://127.0.0.1:{site.https_port}/", timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"] == "bad_request"


def test_too_large_headers(site: Site) -> None:
    answer = site.get("/health", headers={"X-Long": "a" * 40_000})
    _assert_common_error(answer, 431, "headers_too_large")


REFUSED = {
    "a zero byte": (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "small letters": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
    "no line at all": (b"\x16\x03\x01\r\n\r\n", 400, "bad_request"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
    "a header of zeros": (b"GET / HTTP/1.1\r\nHost: a\r\n\0: b\r\n\r\n", 400, "bad_request"),
    "a negative length": (
        b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        *(400, "bad_request"),
    ),
    "an echo": (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"),
    "a long address": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
    "a coding": (
        b"POST /tts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        *(501, "not_implemented"),
    ),
    "a version": (b"GET / HTTP/7.1\r\nHost: a\r\n\r\n", 505, "version_not_supported"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_nginx_cannot_read(site: Site, scheme: str, name: str) -> None:
    sent, status, error = REFUSED[name]
    plain = ("127.0.0.1", site.http_port)
    with site.connect() if scheme == "https" else socket.create_connection(plain, 20) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = json.loads(answer.read())
    assert (answer.status, body["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"] == body["request_id"]
    assert answer.headers["Strict-Transport-Security"] == (HSTS if scheme == "https" else None)
    line = site.access_line(body["request_id"])
    assert line["status"] == status
    assert line["upstream"] == ""


@pytest.mark.parametrize(
    ("sent", "status", "kind", "code"),
    [
        (
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Length: 99000000\r\n\r\n",
            *(413, "invalid_request_error", "body_too_large"),
        ),
        (
            b"POST /v1/x?a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            *(501, "server_error", "not_implemented"),
        ),
        (
            b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            *(400, "invalid_request_error", "bad_request"),
        ),
    ],
    ids=["size", "coding", "hosts"],
)
def test_under_v1_nginx_answers_as_openai_does(
    site: Site, sent: bytes, status: int, kind: str, code: str
) -> None:
    with site.connect() as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        error = json.loads(answer.read())["error"]
    assert (answer.status, error["type"], error["param"], error["code"]) == (
        status,
        kind,
        None,
        code,
    )
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.headers["Content-Type"] == "application/json"


def test_the_page_of_errors_cannot_be_asked_for(site: Site) -> None:
    _assert_common_error(site.get("/indextts-error"), 404, "not_found")


def test_a_refusal_is_logged_as_what_was_asked(site: Site) -> None:
    answer = site.post("/metrics?key=very-secret", headers={"X-Request-ID": "refused-1"})
    _assert_common_error(answer, 404, "not_found")
    line = site.access_line("refused-1")
    assert (line["method"], line["path"], line["status"]) == ("POST", "/metrics", 404)


def test_answers_of_the_service_pass_unchanged(site: Site) -> None:
    answer = site.get("/no-such-thing")
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"
    assert "Content-Security-Policy" in answer.headers
    assert site.post("/tts", json={}).status_code == 422


def test_the_log_has_what_is_needed_and_no_secret(site: Site) -> None:
    headers = {"X-Request-ID": "logged-1", "X-API-Key": "very-secret", "User-Agent": 'a"b'}
    assert site.get("/health?key=very-secret", headers=headers).status_code == 200
    line = site.access_line("logged-1")
    assert (line["status"], line["path"], line["method"]) == (200, "/health", "GET")
    assert line["upstream_status"] == "200"
    assert line["agent"] == 'a"b'
    assert "very-secret" not in json.dumps(site.access_lines())


def test_no_instance_is_502_with_a_time_to_come_back(
    tmp_path: Path, certificate: Certificate, clip_hex: str
) -> None:
    nobody = [f"unix:{tmp_path}/none.sock", f"127.0.0.1:{free_port()}"]
    with running_nginx(tmp_path / "nginx", nobody, certificate, clip_hex) as site:
        for _ in range(3):
            answer = site.speak("hello")
            _assert_common_error(answer, 502, "no_instance")
            assert int(answer.headers["Retry-After"]) >= 1


def test_a_silent_instance_is_504_and_not_asked_twice(
    tmp_path: Path, certificate: Certificate, clip_hex: str
) -> None:
    def impatient(text: str) -> str:
        assert "proxy_read_timeout 180s;" in text
        assert "proxy_next_upstream_timeout 175s;" in text
        text = text.replace("proxy_read_timeout 180s;", "proxy_read_timeout 2s;")
        return text.replace("proxy_next_upstream_timeout 175s;", "proxy_next_upstream_timeout 1s;")

    with _silent_listener() as first, _silent_listener() as second:
        addresses = [f"127.0.0.1:{port}" for port in (first, second)]
        with running_nginx(
            tmp_path / "nginx", addresses, certificate, clip_hex, edit=impatient
        ) as site:
            answer = site.speak("hello")
            _assert_common_error(answer, 504, "gateway_timeout")
            assert int(answer.headers["Retry-After"]) >= 1
            wait_for(site.access_lines)
            assert "," not in site.access_lines()[0]["upstream"]
            slow = site.post("/v1/audio/speech", json={"input": "hello"})
            assert (slow.status_code, slow.json()["error"]["type"]) == (504, "server_error")
            # OpenAI's clients would begin it anew.
            assert slow.headers["X-Should-Retry"] == "false"


def test_streamed_answers_are_not_held_back(
    tmp_path: Path, certificate: Certificate, clip_hex: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with (
            running_nginx(tmp_path / "nginx", [address], certificate, clip_hex) as site,
            site.connect() as client,
        ):
            client.sendall(b"POST /tts/stream HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
            upstream, _ = listener.accept()
            with upstream:
                upstream.recv(65536)
                upstream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n\r\nfirst")
                received = b""
                while b"first" not in received:  # though the answer is not at its end
                    part = client.recv(65536)
                    assert part, received
                    received += part
    assert received.startswith(b"HTTP/1.1 200")


@contextlib.contextmanager
def _silent_listener() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
