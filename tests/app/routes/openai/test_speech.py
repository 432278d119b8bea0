"""``POST /v1/audio/speech`` through Flask's test client."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
import pytest
import soundfile
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.clips.decode import decode_audio
from app.clips.limits import ClipLimits
from app.routes.openai.events import DELTA_BYTES
from tests.app.conftest import AppMaker
from tests.app.routes.openai.calls import TWO, error_of, speak

LIMITS = ClipLimits(max_bytes=1 << 20, max_seconds=60.0, max_channels=1)
# What the stand-in hums for TWO: a pause of 0.2 s lies between.
TWO_SECONDS = 0.15 + 0.2 + 0.16


def events_of(answer: TestResponse) -> list[dict[str, Any]]:
    """The data of the events, whose names they repeat."""
    found = []
    for block in answer.get_data(as_text=True).split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert event["type"] == name.removeprefix("event: ")
        found.append(event)
    return found


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
