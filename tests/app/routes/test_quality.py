"""The class of quality: asked for, defaulted, told; the stand-in hums the same in both."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.runner.engine import FastClass, fast_class
from app.settings import SettingsError, load_settings
from app.web.hooks import EXPOSED_HEADERS
from indextts.quality import LEAST_PROMPT_SECONDS, MOST_PROMPT_SECONDS, MOST_STEPS
from tests.app.conftest import AppMaker

OPENAI = "/v1/audio/speech"


def post(client: FlaskClient, path: str, clip: str, **fields: Any) -> TestResponse:
    body = {"input": "hello"} if path == OPENAI else {"text": "hello", "spk_audio": clip}
    accept = {"Accept": "audio/wav"} if path == "/tts" else {}
    return client.post(path, json={**body, **fields}, headers=accept)


@pytest.mark.parametrize("own", ["exact", "fast"])
@pytest.mark.parametrize("path", ["/tts", "/tts/stream", OPENAI])
def test_every_answer_tells_its_class(
    make_app: AppMaker, clip_hex: str, path: str, own: str
) -> None:
    client = make_app(quality=own).test_client()
    asked: list[dict[str, Any]] = [{}, {"quality": "exact"}, {"quality": "fast"}]
    asked.append({"quality": None})
    more: list[dict[str, Any]] = [{}, {"response_format": "wav"}] if path == OPENAI else [{}]
    for fields in asked:
        for form in more:
            answer = post(client, path, clip_hex, **fields, **form)
            assert answer.status_code == 200
            assert answer.headers["X-Quality"] == (fields.get("quality") or own)
            assert answer.data
    assert "X-Quality" in EXPOSED_HEADERS


def test_it_is_told_beside_the_text_and_in_events(client: FlaskClient, clip_hex: str) -> None:
    body = {"text": "hello", "spk_audio": clip_hex, "quality": "fast"}
    assert client.post("/tts", json=body).get_json()["quality"] == "fast"
    events = client.post("/tts/stream", json=body, headers={"Accept": "text/event-stream"})
    (finished,) = [block for block in events.text.split("\n\n") if "event: finished" in block]
    assert json.loads(finished.partition("data: ")[2])["quality"] == "fast"


def test_a_form_may_name_it(client: FlaskClient, clip_hex: str) -> None:
    form = {"text": "hello", "spk_audio": clip_hex, "quality": "fast"}
    assert client.post("/tts", data=form, content_type="multipart/form-data").json
    answer = client.post("/tts/stream", data=form, content_type="multipart/form-data")
    assert answer.headers["X-Quality"] == "fast"


@pytest.mark.parametrize("bad", ["best", "Fast", 1, True, ["fast"]])
def test_there_is_no_other_class(client: FlaskClient, clip_hex: str, bad: Any) -> None:
    for path in ("/tts", "/tts/stream"):
        answer = post(client, path, clip_hex, quality=bad)
        assert (answer.status_code, set(answer.get_json()["errors"])) == (422, {"quality"})
    answer = post(client, OPENAI, clip_hex, quality=bad)
    assert (answer.status_code, answer.get_json()["error"]["param"]) == (400, "quality")


def test_a_class_that_cannot_be_made_ready_is_the_requests_own_problem(
    client: FlaskClient, clip_hex: str
) -> None:
    body = {"text": "[unready]", "spk_audio": clip_hex, "quality": "fast"}
    answer = client.post("/tts", json=body)
    assert answer.status_code == 422
    assert "other one is served" in answer.get_json()["errors"]["quality"][0]
    assert "secret" not in answer.text
    assert post(client, "/tts", clip_hex).status_code == 200


def test_the_cpu_that_steps_in_keeps_the_class(make_app: AppMaker, clip_hex: str) -> None:
    client = make_app(device="cuda:0", quality="fast").test_client()
    body = {"text": "[oom]", "spk_audio": clip_hex}
    assert client.post("/tts", json=body).get_json()["quality"] == "fast"
    health = client.get("/health").get_json()
    assert (health["device"], health["quality"]) == ("cpu", "fast")
    body = {"text": "[oom]", "spk_audio": clip_hex, "quality": "exact"}
    assert client.post("/tts", json=body).get_json()["quality"] == "exact"


def test_the_access_line_names_it(
    client: FlaskClient, clip_hex: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "app.access"):
        for path in ("/tts", "/tts/stream", OPENAI):
            answer = post(client, path, clip_hex, quality="fast")
            assert answer.data
            answer.close()
    lines = [record.__dict__["fields"] for record in caplog.records if record.name == "app.access"]
    assert [line["quality"] for line in lines] == ["fast"] * 3


def test_what_fast_means_can_be_set() -> None:
    assert fast_class("auto", "auto", "auto", "auto") == FastClass()
    assert fast_class("int8", "12", "4.5", "1") == FastClass("int8", 12, 4.5, 1)
    assert fast_class("fp32", "exact", "exact", "exact") == FastClass("fp32", None, None, None)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("STEPS", ["auto", "exact", "1", f"{MOST_STEPS}"], ["0", f"{MOST_STEPS + 1}", "1.5", "-1"]),
        (
            "PROMPT_SECONDS",
            ["exact", f"{LEAST_PROMPT_SECONDS}", "2.75", f"{MOST_PROMPT_SECONDS}"],
            ["0", "0.5", "15.5", "16", "1e1", "nan"],
        ),
        ("BEAMS", ["exact", "1", "16"], ["0", "17", "1.0"]),
        ("WEIGHTS", ["auto", "fp32", "bf16", "int8"], ["fp16", "exact"]),
    ],
)
def test_the_start_refuses_what_the_engine_would_refuse(
    name: str, good: list[str], bad: list[str]
) -> None:
    variable = f"INDEXTTS_FAST_{name}"
    for text in good:
        read = load_settings({variable: text})
        made = fast_class(
            read.fast_weights, read.fast_steps, read.fast_prompt_seconds, read.fast_beams
        )
        assert isinstance(made, FastClass)
    for text in bad:
        with pytest.raises(SettingsError, match=variable):
            load_settings({variable: text})
