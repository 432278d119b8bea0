from __future__ import annotations

from flask.testing import FlaskClient

from tests.app.conftest import AppMaker


def test_healthy(client: FlaskClient) -> None:
    answer = client.get("/health")
    body = answer.get_json()
    assert answer.status_code == 200
    assert body.pop("uptime") >= 0
    assert body.pop("version")
    assert body == {
        "status": "healthy",
        "model_loaded": True,
        "idle_unloaded": False,
        "deepspeed_enabled": False,
        "device": "cpu",
        "encoders_device": None,
        "precision": "fp32",
        "model_name": "stand-in",
        "model_version": "0",
        "model_notice": "It only hums.",
        "emotion_text": False,
        "cuda_graphs": False,
        "flow_graphs": False,
        "max_batch": 1,
        "device_notice": None,
        "sample_rate": 22050,
        "quality": "exact",
        "fast_class": "a shorter hum",
        "queue_length": 0,
        "queue_capacity": 32,
        "expected_wait": 0.0,
        "running": False,
        "reason": None,
        "fallback": None,
    }


def test_loading(make_app: AppMaker) -> None:
    answer = make_app(start=False).test_client().get("/health")
    body = answer.get_json()
    assert answer.status_code == 503
    assert (body["status"], body["model_loaded"], body["device"]) == ("loading", False, None)


def test_live_needs_no_model(make_app: AppMaker) -> None:
    answer = make_app(start=False).test_client().get("/health/live")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "alive"})


def test_the_fallback_is_told(make_app: AppMaker, clip_hex: str) -> None:
    client = make_app(device="cuda:0").test_client()
    assert client.get("/health").get_json()["device"] == "cuda:0"
    answer = client.post("/tts", json={"text": "[oom]", "spk_audio": clip_hex})
    assert answer.status_code == 200
    body = client.get("/health").get_json()
    assert (body["status"], body["device"]) == ("healthy", "cpu")
    assert "memory" in body["fallback"]
