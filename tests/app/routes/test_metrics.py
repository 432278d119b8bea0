from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from tests.app.conftest import AppMaker, wait_until


def samples(client: FlaskClient) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, label values) -> value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_synthesis_is_counted(client: FlaskClient, clip_hex: str) -> None:
    for text in ("hello", "[fail]"):
        client.post("/tts", json={"text": text, "spk_audio": clip_hex})
    client.post("/tts", json={"text": "hello", "spk_audio": "no audio"})
    client.get("/no/such/page")
    client.open("/tts", method="BREW")
    found = samples(client)
    assert found["indextts_http_requests_total", ("200", "POST", "/tts")] == 1
    assert found["indextts_http_requests_total", ("500", "POST", "/tts")] == 1
    assert found["indextts_http_requests_total", ("404", "GET", "other")] == 1
    assert found["indextts_http_requests_total", ("405", "other", "other")] == 1
    assert found["indextts_refusals_total", ("inference_failed",)] == 1
    assert found["indextts_refusals_total", ("audio_unrecognised",)] == 1
    assert found["indextts_inference_seconds_count", ()] == 1
    assert found["indextts_queue_seconds_count", ()] == 1
    assert found["indextts_fetch_seconds_count", ()] == 1
    assert found["indextts_rtf_count", ("exact",)] == 1
    assert found["indextts_stage_seconds_count", ("gpt",)] == 1
    assert 0.1 < found["indextts_audio_seconds_total", ("exact",)] < 0.2
    assert found["indextts_tokens_total", ("text",)] == len("hello")
    assert found["indextts_voice_cache_total", ("hit",)] == 1
    assert found["indextts_voice_cache_total", ("miss",)] == 1


def test_classes_are_counted_apart(client: FlaskClient, clip_hex: str) -> None:
    for quality in ("fast", "exact", "fast"):
        client.post("/tts", json={"text": "a", "spk_audio": clip_hex, "quality": quality})
    found = samples(client)
    assert found["indextts_rtf_count", ("fast",)] == 2
    assert found["indextts_rtf_count", ("exact",)] == 1
    assert found["indextts_audio_seconds_total", ("fast",)] == pytest.approx(
        2 * found["indextts_audio_seconds_total", ("exact",)]
    )


def test_the_state_of_the_model(make_app: AppMaker, clip_hex: str) -> None:
    client = make_app(device="cuda:0").test_client()
    # The status turns first, its gauge a moment later.
    wait_until(lambda: samples(client)["indextts_model_state", ("healthy",)] == 1)
    client.post("/tts", json={"text": "[oom]", "spk_audio": clip_hex})
    found = samples(client)
    assert found["indextts_cpu_fallback", ()] == 1
    assert found["indextts_out_of_memory_total", ()] == 2
    assert found["indextts_model_state", ("loading",)] == 0
    assert found["indextts_queue_length", ()] == 0
    assert found["indextts_device_memory_bytes", ()] == 0


def test_a_model_that_nobody_needs(make_app: AppMaker, clip_hex: str) -> None:
    client = make_app(idle_unload_seconds=0.05).test_client()
    for times in (1, 2):
        wait_until(lambda: samples(client)["indextts_idle_unloaded", ()] == 1)
        found = samples(client)
        assert found["indextts_idle_unloads_total", ()] == times
        assert found["indextts_model_state", ("healthy",)] == 1
        answer = client.get("/health")
        body = answer.get_json()
        assert (answer.status_code, body["status"], body["idle_unloaded"]) == (200, "healthy", True)
        assert client.post("/tts", json={"text": "a", "spk_audio": clip_hex}).status_code == 200
    assert samples(client)["indextts_voice_cache_total", ("miss",)] == 2


def test_a_key_is_needed_where_keys_are_set(make_app: AppMaker) -> None:
    client = make_app(start=False, api_keys=("k1",)).test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"X-API-Key": "k1"}).status_code == 200
    public = make_app(start=False, api_keys=("k1",), metrics_public=True).test_client()
    assert public.get("/metrics").status_code == 200
