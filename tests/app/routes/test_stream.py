"""``POST /tts/stream`` through Flask's test client; real servers are in gunicorn/ and deploy/."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.clips.decode import decode_audio
from app.clips.limits import ClipLimits
from app.routes.stream_writers import StreamBrokenError
from app.services import services_of
from tests.app.conftest import AppMaker, wait_until

LIMITS = ClipLimits(max_bytes=1 << 20, max_seconds=60.0, max_channels=1)
THREE = "first\nsecond\nthird"


def stream(client: FlaskClient, clip: str, accept: str = "", **fields: Any) -> TestResponse:
    body = {"text": THREE, "spk_audio": clip, **fields}
    headers = {"Accept": accept} if accept else {}
    return client.post("/tts/stream", json=body, headers=headers, buffered=False)


def events_of(answer: TestResponse) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in answer.get_data(as_text=True).split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def metric(client: FlaskClient, name: str) -> float:
    for line in client.get("/metrics").get_data(as_text=True).splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return 0.0


def broken(client: FlaskClient) -> dict[str, float]:
    """Broken streams by reason."""
    found = re.findall(
        r'indextts_streams_broken_total\{reason="(\w+)"\} ([\d.]+)',
        client.get("/metrics").get_data(as_text=True),
    )
    return {reason: float(count) for reason, count in found}


def test_the_sound_is_that_of_the_whole_answer(client: FlaskClient, clip_hex: str) -> None:
    body = {"text": THREE, "spk_audio": clip_hex, "seed": 3}
    whole = client.post("/tts", json=body, headers={"Accept": "audio/wav"})
    streamed = stream(client, clip_hex, seed=3)
    assert streamed.status_code == 200
    assert streamed.headers["Content-Type"] == "audio/wav"
    assert streamed.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in streamed.headers
    data = streamed.get_data()
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    assert data[44:] == whole.data[44:]


@pytest.mark.parametrize(
    ("accept", "asked", "mime"),
    [
        ("", None, "audio/wav"),
        ("audio/mpeg", None, "audio/mpeg"),
        ("audio/ogg; codecs=opus", None, "audio/ogg; codecs=opus"),
        ("audio/flac", None, "audio/flac"),
        ("AUDIO/FLAC", None, "audio/flac"),
        ("*/*", "ogg", "audio/ogg"),
        ("audio/mpeg", "pcm", "audio/pcm; rate=22050; channels=1"),
    ],
)
def test_formats(
    client: FlaskClient, clip_hex: str, accept: str, asked: str | None, mime: str
) -> None:
    answer = stream(client, clip_hex, accept, format=asked)
    assert answer.headers["Content-Type"] == mime
    data = answer.get_data()
    if asked == "pcm":
        samples, rate = np.frombuffer(data, dtype="<i2") / 32768, 22050
    else:
        clip = decode_audio(data, LIMITS)
        samples, rate = clip.samples, clip.sample_rate
    assert len(samples) / rate == pytest.approx(0.15 + 0.16 + 0.15 + 0.4, abs=0.1)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.1)


def test_segments_are_sent_as_they_are_spoken(client: FlaskClient, clip_hex: str) -> None:
    """The second segment would take longer than the test may."""
    answer = stream(client, clip_hex, text="first\n[slow 250]\nthird", format="pcm")
    pieces: Iterator[bytes] = answer.iter_encoded()
    assert len(next(pieces)) == 2 * (int(22050 * 0.15) + 22050 // 5)
    parts = services_of(client.application)
    assert parts.runner.status().jobs_running == 1
    assert metric(client, "indextts_streams_open") == 1
    answer.close()
    wait_until(lambda: parts.runner.status().jobs_running == 0)
    assert metric(client, "indextts_streams_open") == 0
    assert broken(client) == {"client": 1}


def test_events(client: FlaskClient, clip_hex: str) -> None:
    answer = stream(client, clip_hex, "text/event-stream", seed=3, text="first\nsecond ☃")
    assert answer.mimetype == "text/event-stream"
    events = events_of(answer)
    assert [name for name, _ in events] == ["start", "segment", "segment", "finished"]
    assert events[0][1]["content_type"] == "audio/wav"
    assert [data["text"] for _, data in events[1:3]] == ["first", "second ☃"]
    assert events[2][1]["start"] == pytest.approx(events[1][1]["end"] + 0.2, abs=1e-3)
    last = events[3][1]
    assert (last["seed"], last["warnings"]) == (3, ["unknown character"])
    assert last["rtf"] == pytest.approx(last["inference_time"] / last["audio_length"])
    data = b"".join(base64.b64decode(data["audio"]) for _, data in events)
    plain = stream(client, clip_hex, seed=3, text="first\nsecond ☃").get_data()
    assert data == plain


def test_an_error_before_the_first_sound_has_its_own_answer(
    client: FlaskClient, clip_hex: str
) -> None:
    answer = stream(client, clip_hex, text="[fail]")
    assert (answer.status_code, answer.get_json()["error"]) == (500, "inference_failed")
    answer = stream(client, "00" * 60, "text/event-stream")
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_audio")
    assert broken(client) == {}


def test_a_failure_later_breaks_the_body(client: FlaskClient, clip_hex: str) -> None:
    answer = stream(client, clip_hex, text="first\n[fail]")
    assert answer.status_code == 200
    with pytest.raises(StreamBrokenError):
        answer.get_data()
    answer.close()
    assert broken(client) == {"failure": 1}


def test_a_failure_later_is_an_event(client: FlaskClient, clip_hex: str) -> None:
    answer = stream(client, clip_hex, "text/event-stream", text="first\n[fail]")
    events = events_of(answer)
    answer.close()
    assert [name for name, _ in events] == ["start", "segment", "error"]
    assert events[-1][1]["error"] == "inference_failed"
    assert events[-1][1]["request_id"] == answer.headers["X-Request-ID"]
    assert "secret" not in str(events)


def test_a_seat_is_the_engines_and_not_the_readers(make_app: AppMaker, clip_hex: str) -> None:
    app = make_app(queue_size=0)
    busy = stream(app.test_client(), clip_hex, text="first\n[slow 60]")
    body = {"text": "hello", "spk_audio": clip_hex}
    refused = app.test_client().post("/tts", json=body)
    assert (refused.status_code, refused.get_json()["error"]) == (429, "queue_full")
    busy.close()
    wait_until(lambda: services_of(app).runner.status().jobs_running == 0)
    unread = stream(app.test_client(), clip_hex)
    wait_until(lambda: services_of(app).runner.status().jobs_running == 0)
    assert app.test_client().post("/tts", json=body).status_code == 200
    assert len(unread.get_data()) > 1000


def test_open_streams_are_bounded(make_app: AppMaker, clip_hex: str) -> None:
    app = make_app(queue_size=0)  # two streams, of which a caller may have one
    unread = stream(app.test_client(), clip_hex)
    refused = stream(app.test_client(), clip_hex)
    assert (refused.status_code, refused.get_json()["error"]) == (429, "streams_full")
    assert refused.headers["Retry-After"] == "5"
    unread.close()
    assert stream(app.test_client(), clip_hex).status_code == 200


def test_the_access_line_comes_with_the_end(
    client: FlaskClient, clip_hex: str, caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> list[dict[str, Any]]:
        return [record.__dict__["fields"] for record in caplog.records if record.msg == "request"]

    caplog.set_level("INFO", logger="app.access")
    answer = stream(client, clip_hex)
    assert not lines()
    size = len(answer.get_data())
    answer.close()
    (line,) = lines()
    assert (line["route"], line["status"], line["bytes"], line["whole"]) == (
        "/tts/stream",
        200,
        size,
        True,
    )
    assert line["audio_length"] == pytest.approx(0.86, abs=0.01)


def test_the_first_segment_is_short_unless_asked_otherwise(
    make_app: AppMaker, clip_hex: str
) -> None:
    schema = make_app().test_client().get("/openapi.json").get_json()["components"]["schemas"]
    quick = "quick_streaming_tokens"
    assert schema["StreamRequest"]["properties"][quick]["default"] > 0
    assert schema["TTSRequest"]["properties"][quick]["default"] == 0


def test_fast_the_first_sound_does_not_wait_for_its_segment(
    client: FlaskClient, clip_hex: str
) -> None:
    """Half of it is there; the other half would take longer than the test may."""
    answer = stream(client, clip_hex, text="[slow 250]\nsecond", format="pcm", quality="fast")
    pieces: Iterator[bytes] = answer.iter_encoded()
    assert len(next(pieces)) == 2 * (int(22050 * 0.2) // 2)
    parts = services_of(client.application)
    assert parts.runner.status().jobs_running == 1
    answer.close()
    wait_until(lambda: parts.runner.status().jobs_running == 0)


@pytest.mark.parametrize("asked", ["wav", "pcm", "mp3", "opus"])
def test_fast_the_sound_is_whole(client: FlaskClient, clip_hex: str, asked: str) -> None:
    exact, fast = (
        stream(client, clip_hex, format=asked, quality=quality).get_data()
        for quality in ("exact", "fast")
    )
    if asked == "opus":  # each stream has a number of its own
        assert len(fast) == len(exact)
    else:
        assert fast == exact


def test_fast_events(client: FlaskClient, clip_hex: str) -> None:
    exact, fast = (
        events_of(stream(client, clip_hex, "text/event-stream", seed=3, quality=quality))
        for quality in ("exact", "fast")
    )
    assert [name for name, _ in fast] == ["start", "sound", *["segment"] * 3, "finished"]
    assert set(fast[1][1]) == {"audio"}
    times = [
        [(d["text"], d["start"], d["end"]) for _, d in e if "text" in d] for e in (exact, fast)
    ]
    assert times[0] == times[1]
    files = [b"".join(base64.b64decode(data["audio"]) for _, data in e) for e in (exact, fast)]
    assert files[0] == files[1]


@pytest.mark.parametrize(("command", "device"), [("[oom once]", "cuda:0"), ("[oom]", "cpu")])
def test_fast_begun_again_in_the_middle_of_a_segment(
    make_app: AppMaker,
    clip_hex: str,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    device: str,
) -> None:
    """Memory runs out when half of it has been sent: the other half follows, wherever from."""
    monkeypatch.setenv("INDEXTTS_TEST_DEVICE", "cuda:0")
    client = make_app().test_client()
    text = f"{command}\nsecond"
    fast = stream(client, clip_hex, text=text, format="pcm", quality="fast").get_data()
    facts = services_of(client.application).runner.status().facts
    assert facts is not None
    assert facts.device == device
    assert fast == stream(client, clip_hex, text=text, format="pcm").get_data()
