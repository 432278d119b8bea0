"""``POST /v1/audio/speech`` through Flask's test client."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.clips.decode import ClipLimits, decode_audio
from app.factory import start_engine
from app.routes.openai.events import DELTA_BYTES
from app.services import services_of
from app.speech.order import SpeechOrder
from tests.app.conftest import BASE, AppMaker, wait_until

LIMITS = ClipLimits(max_bytes=1 << 20, max_seconds=60.0, max_channels=1)
PATH = "/v1/audio/speech"
TWO = "first\nsecond"
# What the stand-in hums for TWO: a pause of 0.2 s lies between.
TWO_SECONDS = 0.15 + 0.2 + 0.16


def speak(client: FlaskClient, *, read: bool = True, **fields: Any) -> TestResponse:
    """Send a body; without `read` a streamed answer is still to be read."""
    return client.post(PATH, json={"input": TWO, **fields}, buffered=read)


def error_of(answer: TestResponse) -> dict[str, Any]:
    body = answer.get_json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error


def events_of(answer: TestResponse) -> list[dict[str, Any]]:
    """The data of the events, whose names they repeat."""
    found = []
    for block in answer.get_data(as_text=True).split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert event["type"] == name.removeprefix("event: ")
        found.append(event)
    return found


@pytest.fixture(scope="module")
def shared_app() -> Flask:
    """One for all tests that leave nothing behind."""
    app = create_app(BASE)
    start_engine(app)
    wait_until(lambda: services_of(app).runner.status().status == "healthy")
    return app


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()


@pytest.fixture
def order_of(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends a body and gives the order that became of it."""
    taken: list[SpeechOrder] = []
    service = services_of(client.application).speech
    speak_order = service.speak

    def note(order: SpeechOrder) -> Any:
        taken.append(order)
        return speak_order(order)

    monkeypatch.setattr(service, "speak", note)

    def send(**fields: Any) -> SpeechOrder:
        answer = speak(client, **fields)
        assert taken, answer.get_data(as_text=True)
        return taken.pop()

    return send


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# -- formats and forms -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "mime", "rate", "whole"),
    [
        (None, "audio/mpeg", 22050, False),
        ("mp3", "audio/mpeg", 22050, False),
        ("opus", "audio/ogg; codecs=opus", 24000, False),
        ("aac", "audio/aac", 22050, False),
        ("pcm", "audio/pcm; rate=24000; channels=1", 24000, False),
        ("flac", "audio/flac", 22050, True),
        ("wav", "audio/wav", 22050, True),
    ],
)
@pytest.mark.parametrize("stream_format", [None, "audio"])
def test_formats(
    client: FlaskClient,
    format: str | None,
    mime: str,
    rate: int,
    whole: bool,
    stream_format: str | None,
) -> None:
    answer = speak(client, response_format=format, stream_format=stream_format)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == mime
    whole = whole and stream_format is None
    assert ("Content-Length" in answer.headers) == whole
    assert answer.headers["X-Accel-Buffering"] == ("yes" if whole else "no")
    data = answer.get_data()
    samples, found = decoded(data, "pcm" if format == "pcm" else "")
    assert found == rate
    assert len(samples) / rate == pytest.approx(TWO_SECONDS, abs=0.1)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.1)


def decoded(data: bytes, format: str = "") -> tuple[Any, int]:
    if format == "pcm":
        return np.frombuffer(data, dtype="<i2") / 32768, 24000
    clip = decode_audio(data, LIMITS)
    # libopus decodes to 48 kHz, whatever was encoded.
    return clip.samples, 24000 if data[:4] == b"OggS" else clip.sample_rate


def test_a_downloaded_wav_has_true_sizes_and_nothing_behind(client: FlaskClient) -> None:
    data = speak(client, response_format="wav").get_data()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert data[36:40] == b"data"
    assert int.from_bytes(data[40:44], "little") == len(data) - 44


def test_a_streamed_wav_has_sizes_that_mean_until_the_end(client: FlaskClient) -> None:
    streamed = speak(client, response_format="wav", stream_format="audio", seed=1).get_data()
    whole = speak(client, response_format="wav", seed=1).get_data()
    assert streamed[4:8] == streamed[40:44] == b"\xff\xff\xff\xff"
    assert streamed[44:] == whole[44:]


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_every_format_can_be_had_whole(client: FlaskClient, format: str) -> None:
    answer = speak(client, response_format=format, stream=False)
    assert int(answer.headers["Content-Length"]) == len(answer.get_data())
    assert float(answer.headers["X-Audio-Length"]) == pytest.approx(TWO_SECONDS, abs=0.01)
    samples, rate = decoded(answer.get_data(), format)
    assert len(samples) / rate == pytest.approx(TWO_SECONDS, abs=0.1)


@pytest.mark.parametrize(("format", "rate"), [("wav", 16000), ("pcm", 8000), ("mp3", 44100)])
@pytest.mark.parametrize("stream", [False, None])
def test_a_rate_can_be_asked_for(
    client: FlaskClient, format: str, rate: int, stream: bool | None
) -> None:
    answer = speak(client, response_format=format, sample_rate=rate, stream=stream)
    if format == "pcm":
        assert len(answer.get_data()) / 2 / rate == pytest.approx(TWO_SECONDS, abs=0.01)
    else:
        assert soundfile.info(io.BytesIO(answer.get_data())).samplerate == rate


@pytest.mark.parametrize(
    "ask", [{"stream_format": "sse"}, {"stream": True}, {"stream": True, "quality": "fast"}]
)
def test_events(client: FlaskClient, ask: dict[str, Any]) -> None:
    answer = speak(client, response_format="pcm", seed=1, **ask)
    assert answer.mimetype == "text/event-stream"
    events = events_of(answer)
    names = [event["type"] for event in events]
    assert names == ["speech.audio.delta"] * (len(events) - 1) + ["speech.audio.done"]
    pieces = [base64.b64decode(event["audio"]) for event in events[:-1]]
    assert b"".join(pieces) == speak(client, response_format="pcm", seed=1).get_data()
    usage = events[-1]["usage"]
    assert usage["input_tokens"] == len("first") + len("second")
    assert usage["output_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_events_are_short_enough_for_line_readers(client: FlaskClient) -> None:
    events = events_of(speak(client, input="x" * 190, stream=True, response_format="wav"))
    pieces = [base64.b64decode(event["audio"]) for event in events[:-1]]
    assert len(pieces) > 3
    assert max(map(len, pieces)) == DELTA_BYTES


def test_a_failure_later_is_an_event(client: FlaskClient) -> None:
    events = events_of(speak(client, input="first\n[fail]", stream_format="sse"))
    assert events[-1]["error"]["code"] == "inference_failed"
    assert events[-1]["error"]["type"] == "server_error"
    assert "secret" not in str(events)


# -- fields ----------------------------------------------------------------------------------------


def test_only_the_text_is_needed(order_of: Any) -> None:
    order = order_of()
    assert (order.text, order.speaker, order.emotion) == (TWO, "voice:default", None)
    assert order.options["quick_streaming_tokens"] > 0
    assert order_of(response_format="wav").options["quick_streaming_tokens"] is None


@pytest.mark.parametrize(
    ("fields", "speaker"),
    [
        ({"voice": "alloy"}, "voice:alloy"),
        ({"voice": {"id": "alloy"}}, "voice:alloy"),
        ({"speaker": "alloy"}, "voice:alloy"),
        ({"speaker": "alloy", "voice": "nova"}, "voice:nova"),
        ({"voice": ""}, "voice:default"),
        ({"voice": None}, "voice:default"),
        ({"extra_params": {"voice": "alloy"}}, "voice:alloy"),
    ],
)
def test_voices(order_of: Any, fields: dict[str, Any], speaker: str) -> None:
    assert order_of(**fields).speaker == speaker


def test_a_clip_of_ones_own_goes_before_a_voice(order_of: Any, clip: bytes) -> None:
    uri = "data:audio/wav;base64," + base64.b64encode(clip).decode()
    for brought in (uri, clip.hex()):
        assert order_of(voice="alloy", ref_audio=brought, ref_text="x").speaker == brought


def test_the_names_of_vllm_omni(order_of: Any, clip_hex: str) -> None:
    extra = {
        "lang": "en",
        "emo_vector": [0.1] * 8,
        "emo_alpha": 0.5,
        "use_emo_text": False,
        "emo_text": "sad",
        "use_random": True,
    }
    for fields in ({"extra_params": extra}, extra):
        order = order_of(**fields, seed=5, max_new_tokens=9000, language="English")
        assert order.emo_vector == (0.1,) * 8
        assert (order.options["emo_alpha"], order.use_random, order.emo_text) == (0.5, True, None)
        assert (order.seed, order.options["max_mel_tokens"]) == (5, 1815)
    assert order_of(extra_params={"emo_audio": clip_hex}).emotion == clip_hex
    assert order_of(extra_params={"seed": 1}, seed=2).seed == 2


def test_options_of_ours_stand_at_the_top(order_of: Any) -> None:
    order = order_of(temperature=0.5, num_beams=1, interval_silence=50, normalization="off")
    assert (order.options["temperature"], order.options["num_beams"]) == (0.5, 1)
    assert (order.options["interval_silence"], order.normalization) == (50, "off")
    assert (order.pauses, order_of(pauses=False).pauses) == (True, False)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_what_is_empty_is_not_given(order_of: Any, nothing: str | None) -> None:
    names = ("model", "voice", "response_format", "instructions", "stream_format", "emo_text")
    assert order_of(**dict.fromkeys(names, nothing)).speaker == "voice:default"


def test_unknown_fields_are_ignored(client: FlaskClient) -> None:
    fields = {"lang_code": "a", "normalization_options": {"a": [1]}, "volume_multiplier": 2.0}
    assert speak(client, **fields, n="x" * 500).status_code == 200


@pytest.mark.parametrize("model", ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "indextts2", "any"])
def test_models_are_what_clients_call_it(client: FlaskClient, model: str) -> None:
    assert speak(client, model=model).status_code == 200


@pytest.mark.parametrize(
    ("given", "taken"), [(0.25, "0.5"), (0.8, "0.8"), (1, "1"), (4.0, "2"), (None, None)]
)
def test_the_speed_taken_is_told(
    client: FlaskClient, order_of: Any, given: float | None, taken: str | None
) -> None:
    for form in ("mp3", "wav"):
        assert speak(client, speed=given, response_format=form).headers.get("X-Speed") == taken
    assert order_of(speed=given).options["speed"] == (None if taken is None else float(taken))


def test_instructions_without_a_model_for_them(client: FlaskClient, order_of: Any) -> None:
    answer = speak(client, instructions="Speak sadly.")
    assert answer.status_code == 200
    assert "no model" in answer.headers["X-Warning"]
    assert order_of(instructions="Speak sadly.").emo_text is None
    assert "X-Warning" not in speak(client).headers


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": 3}, "input"),
        ({"input": "[silent]"}, "input"),
        ({"voice": 3}, "voice"),
        ({"voice": {"name": "a"}}, "voice"),
        ({"voice": "v" * 300}, "voice"),
        ({"voice": "../secret"}, "voice"),
        ({"response_format": "ogg"}, "response_format"),
        ({"stream_format": "json"}, "stream_format"),
        ({"speed": 5}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"sample_rate": 11111}, "sample_rate"),
        ({"sample_rate": 16000, "response_format": "opus"}, "sample_rate"),
        ({"sample_rate": 1, "response_format": "wav"}, "sample_rate"),
        ({"max_new_tokens": 0}, "max_mel_tokens"),
        ({"seed": -1}, "seed"),
        ({"extra_params": "a"}, "extra_params"),
        ({"emo_vector": [1]}, "emo_vector"),
        ({"emo_vector": [0] * 8, "emo_text": "sad"}, "emo_text"),
        ({"emo_text": "sad"}, "emo_text"),
        ({"use_emo_text": True}, "emo_text"),
        ({"ref_audio": "00" * 60}, "ref_audio"),
        ({"emo_audio": "nonsense"}, "emo_audio"),
    ],
)
def test_refusals_name_the_field(client: FlaskClient, fields: dict[str, Any], param: str) -> None:
    answer = speak(client, **fields)
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]


def test_a_text_that_is_too_long(make_app: AppMaker) -> None:
    client = make_app(max_text_chars=10).test_client()
    answer = speak(client, input="a" * 11)
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["param"], error["code"]) == ("input", "string_above_max_length")
    assert "at most 10" in error["message"]


def test_an_unknown_voice_lists_the_names(client: FlaskClient) -> None:
    answer = speak(client, voice="nobody")
    assert answer.status_code == 404
    error = error_of(answer)
    assert (error["param"], error["code"]) == ("voice", "unknown_voice")
    assert "en_female" in error["message"]


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b'{"input": "hi"}', "application/json; charset=utf-8", 200),
        (b'{"input": "hi"}', None, 200),
        (b'{"input": "hi"}', "text/plain", 415),
        (b"input=hi", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"", None, 400),
        (b"[]", "application/json", 400),
        (b'{"input": "hi", "x": [' + b"[]," * 12_000 + b"0]}", "application/json", 400),
        (b'{"input": "\\ud800"}', "application/json", 400),
        (b"[" * 5000, "application/json", 400),
    ],
)
def test_bodies(client: FlaskClient, data: bytes, kind: str | None, status: int) -> None:
    answer = client.post(PATH, data=data, content_type=kind, buffered=True)
    assert answer.status_code == status
    if status != 200:
        assert error_of(answer)["type"] == "invalid_request_error"


def test_compressed_bodies_are_not_read(client: FlaskClient) -> None:
    answer = client.post(PATH, json={"input": "hi"}, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_keys(make_app: AppMaker) -> None:
    client = make_app(api_keys=("right",)).test_client()
    refused = speak(client)
    assert refused.status_code == 401
    error = error_of(refused)
    assert (error["type"], error["code"]) == ("authentication_error", "invalid_api_key")
    headers = {"Authorization": "Bearer right"}
    assert (
        client.post(PATH, json={"input": "hi"}, headers=headers, buffered=True).status_code == 200
    )
    assert client.get("/v1/models").status_code == 401


def test_any_key_will_do_where_there_are_none(client: FlaskClient) -> None:
    headers = {"Authorization": "Bearer sk-anything"}
    assert (
        client.post(PATH, json={"input": "hi"}, headers=headers, buffered=True).status_code == 200
    )


def test_the_rate_limit_counts_it(make_app: AppMaker) -> None:
    client = make_app(rate_limit=1, rate_burst=1).test_client()
    assert speak(client).status_code == 200
    refused = speak(client)
    assert (refused.status_code, error_of(refused)["type"]) == (429, "rate_limit_error")
    assert int(refused.headers["Retry-After"]) > 0
    assert "X-Should-Retry" not in refused.headers  # waiting heals it


def test_without_a_model(make_app: AppMaker) -> None:
    answer = speak(make_app(start=False).test_client())
    assert (answer.status_code, error_of(answer)["type"]) == (503, "server_error")
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "again"),
    [
        ({"input": "[fail]"}, 500, "inference_failed", None),
        ({"input": "[fail]", "seed": 1}, 500, "inference_failed", "false"),
        ({"input": "[slow 60]"}, 500, "deadline_exceeded", "false"),
        ({"ref_audio": "http://127.0.0.1:{port}/a.wav"}, 408, "download_timeout", "false"),
    ],
)
def test_what_a_repetition_does_not_heal_is_not_to_be_repeated(
    make_app: AppMaker,
    silent_port: int,
    fields: dict[str, Any],
    status: int,
    code: str,
    again: str | None,
) -> None:
    app = make_app(request_seconds=1.0, fetch_seconds=0.3, fetch_ports=(str(silent_port),))
    if "ref_audio" in fields:
        fields = {"ref_audio": fields["ref_audio"].format(port=silent_port)}
    for form in ("mp3", "wav"):
        answer = speak(app.test_client(), response_format=form, **fields)
        assert (answer.status_code, error_of(answer)["code"]) == (status, code)
        assert answer.headers.get("X-Should-Retry") == again


# -- what every streaming route has ----------------------------------------------------------------


def test_metrics_know_the_route(make_app: AppMaker) -> None:
    client = make_app().test_client()
    assert speak(client).get_data()
    text = client.get("/metrics").get_data(as_text=True)
    label = 'indextts_http_requests_total{code="200",method="POST",route="/v1/audio/speech"} 1.0'
    assert label in text
    assert re.search(r"^indextts_first_sound_seconds_count 1\.0$", text, flags=re.M)


def test_a_stream_takes_a_place(make_app: AppMaker) -> None:
    app = make_app(queue_size=0)  # two streams, of which a caller may have one
    unread = speak(app.test_client(), read=False)
    refused = speak(app.test_client())
    assert (refused.status_code, error_of(refused)["code"]) == (429, "streams_full")
    unread.close()
    assert speak(app.test_client()).status_code == 200
