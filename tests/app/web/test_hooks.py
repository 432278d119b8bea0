from __future__ import annotations

import json
import logging
import logging.config

import pytest
from flask.testing import FlaskClient

from app.request_id import choose_request_id, current_request_id, use_request_id
from app.web.logs import RequestIdFilter, TextFormatter, json_formatter, logging_config
from tests.app.conftest import AppMaker


def access_fields(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    records = [r for r in caplog.records if r.name == "app.access"]
    fields: dict[str, object] = records[-1].fields  # type: ignore[attr-defined]
    return fields


def test_a_plain_request_id_is_taken_over(client: FlaskClient) -> None:
    answer = client.get("/health", headers={"X-Request-ID": "proxy-42.a:b"})
    assert answer.headers["X-Request-ID"] == "proxy-42.a:b"


@pytest.mark.parametrize("given", ["", "a b", "x" * 101, "é", "a\x00b", "<x>", None])
def test_other_request_ids_are_replaced(given: str | None) -> None:
    chosen = choose_request_id(given)
    assert chosen != given
    assert len(chosen) == 32


def test_ids_differ_between_requests(client: FlaskClient) -> None:
    ids = {client.get("/health").headers["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5


def test_the_id_of_a_block_ends_with_it() -> None:
    before = current_request_id()
    with use_request_id("inner"):
        assert current_request_id() == "inner"
    assert current_request_id() == before


def test_the_access_line_has_times_and_no_content(
    client: FlaskClient, clip_hex: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"text": "very private words", "spk_audio": clip_hex}
    client.post("/tts", json=body, headers={"X-API-Key": "private-key"})
    fields = access_fields(caplog)
    assert (fields["method"], fields["route"], fields["status"]) == ("POST", "/tts", 200)
    for name in ("seconds", "queue_time", "fetch_time", "inference_time", "gpt_time"):
        assert isinstance(fields[name], float)
    everything = " ".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records)
    for secret in ("private words", "private-key", clip_hex[:60]):
        assert secret not in everything


def test_refusals_say_why(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.post("/tts", json={"text": "a", "spk_audio": "http://127.0.0.2:1/a.wav"})
    assert str(access_fields(caplog)["refusal"]).startswith("audio_")


def test_probes_are_quiet(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.get("/health")
    assert not [r for r in caplog.records if r.name == "app.access"]
    client.get("/nothing")
    assert access_fields(caplog)["status"] == 404


def test_security_headers(client: FlaskClient) -> None:
    for path in ("/health", "/docs", "/nothing", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert client.get("/health").headers["Cache-Control"] == "no-store"


def test_cors_only_for_listed_origins(make_app: AppMaker) -> None:
    client = make_app(start=False, cors_origins=("https://a.example",)).test_client()
    allowed = client.get("/health", headers={"Origin": "https://a.example"})
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Origin" in allowed.headers["Vary"]
    other = client.get("/health", headers={"Origin": "https://b.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    preflight = client.options("/tts", headers={"Origin": "https://a.example"})
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "X-API-Key" in preflight.headers["Access-Control-Allow-Headers"]


def test_cors_lets_the_client_of_openai_through(make_app: AppMaker) -> None:
    client = make_app(start=False, cors_origins=("*",)).test_client()
    asked = (
        "authorization,content-type,x-stainless-arch,x-stainless-retry-count,openai-organization,"
        "X-Stainless-Lang,x-evil,x-stainless-a b"
    )
    headers = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    answer = client.options("/v1/audio/speech", headers=headers).headers
    allowed = {name.strip().lower() for name in answer["Access-Control-Allow-Headers"].split(",")}
    assert allowed == {
        *("authorization", "content-type", "x-api-key", "x-request-id"),
        *("x-stainless-arch", "x-stainless-retry-count", "x-stainless-lang", "openai-organization"),
    }
    for name in ("X-Request-ID", "X-Speed", "X-Warning", "Retry-After"):
        assert name in answer["Access-Control-Expose-Headers"]


def test_cors_is_off_by_default_and_can_be_open(client: FlaskClient, make_app: AppMaker) -> None:
    origin = {"Origin": "https://a.example"}
    assert "Access-Control-Allow-Origin" not in client.get("/health", headers=origin).headers
    opened = make_app(start=False, cors_origins=("*",)).test_client()
    assert opened.get("/health", headers=origin).headers["Access-Control-Allow-Origin"] == "*"


def test_proxies_are_believed_only_when_told(
    make_app: AppMaker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for hops, expected in ((0, "127.0.0.1"), (1, "203.0.113.9")):
        client = make_app(start=False, trust_proxy=hops).test_client()
        client.get("/nothing", headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
        assert access_fields(caplog)["client"] == expected


def make_record(message: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("app.x", logging.INFO, __file__, 1, message, (), None)
    record.fields = fields
    with use_request_id("rid"):
        RequestIdFilter().filter(record)
    return record


def test_json_lines_are_flat() -> None:
    line = json_formatter().format(make_record("你好\nthere", status=200))
    parsed = json.loads(line)
    assert "你好" in line
    assert "\n" not in line
    assert parsed["message"] == "你好\nthere"
    assert (parsed["status"], parsed["request_id"], parsed["level"]) == (200, "rid", "INFO")


def test_text_lines_cannot_be_forged() -> None:
    line = TextFormatter().format(make_record("a\n2026 INFO forged", status=200))
    assert "\n" not in line
    assert line.endswith("status=200 request_id=rid")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_configuration_is_valid(form: str) -> None:
    config = logging_config("info", form)
    logging.config.DictConfigurator(config)
    assert config["formatters"]["line"]["()"].startswith("app.web.logs.")
