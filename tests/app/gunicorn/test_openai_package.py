"""OpenAI's own Python package against a real server."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import openai
import pytest
import requests
import soundfile
from openai import OpenAI

from tests.app.gunicorn_server import Server, running_server, wait_for

pytestmark = pytest.mark.deploy

TWO = "first\nsecond"
TWO_SECONDS = 0.15 + 0.2 + 0.16
KEY = "sk-right"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, clip_hex: str) -> Iterator[Server]:
    """For everybody."""
    with running_server(tmp_path_factory.mktemp("openai"), clip_hex) as running:
        yield running


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory, clip_hex: str) -> Iterator[Server]:
    """With a key, short texts, and little time for each."""
    folder = tmp_path_factory.mktemp("strict")
    limits = {"api_keys": KEY, "max_text_chars": 50, "request_seconds": 3}
    with running_server(folder, clip_hex, **limits) as running:
        yield running


def client_of(server: Server, key: str = "sk-anything", **options: object) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=key, **options)  # type: ignore[arg-type]


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    with client_of(server) as made:
        yield made


def idle(server: Server) -> bool:
    health = server.health().json()
    return not health["running"] and not health["queue_length"]


def seconds_of(data: bytes, format: str) -> tuple[float, int]:
    """Length and rate, as a decoder finds them."""
    if format == "pcm":
        return len(data) / 2 / 24_000, 24_000
    if format in ("wav", "flac"):
        samples, rate = soundfile.read(io.BytesIO(data))
        return len(samples) / rate, rate
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    rate = frames[0].sample_rate
    return sum(frame.samples for frame in frames) / rate, rate


@pytest.mark.parametrize(
    ("format", "rate"),
    [
        *(("mp3", 22050), ("aac", 22050), ("flac", 22050), ("wav", 22050)),
        *(("opus", 48000), ("pcm", 24000)),
    ],
)
def test_formats(client: OpenAI, format: str, rate: int) -> None:
    made = client.audio.speech.create(
        model="tts-1", voice="alloy", input=TWO, response_format=format  # type: ignore[arg-type]
    )  # fmt: skip
    seconds, found = seconds_of(made.content, format)
    assert found == rate
    assert seconds == pytest.approx(TWO_SECONDS, abs=0.12)


def test_mp3_is_what_comes_without_asking(client: OpenAI, tmp_path: Path) -> None:
    made = client.audio.speech.create(model="tts-1", voice={"id": "alloy"}, input=TWO)
    made.write_to_file(tmp_path / "speech.mp3")
    assert made.response.headers["Content-Type"] == "audio/mpeg"
    assert soundfile.info(tmp_path / "speech.mp3").format == "MP3"


def test_a_stream_is_heard_while_it_is_made(client: OpenAI, server: Server) -> None:
    """The second segment waits for a file that is made when the first one has been heard."""
    gate = server.journal.with_name("heard")
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="ash", input="first\n[until heard]", response_format="pcm"
    ) as answer:
        pieces = answer.iter_bytes(1024)
        heard = len(next(pieces))
        gate.touch()
        heard += sum(map(len, pieces))
    assert heard / 2 / 24_000 == pytest.approx(0.15 + 0.2 + 0.23, abs=0.01)


def test_events_are_heard_while_they_are_made(client: OpenAI, server: Server) -> None:
    gate = server.journal.with_name("seen")
    sound = b""
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="ash", input="first\n[until seen]", stream_format="sse"
    ) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line.removeprefix("data: "))
            if event["type"] == "speech.audio.delta":
                gate.touch()
                sound += base64.b64decode(event["audio"])
    assert event["type"] == "speech.audio.done"
    assert event["usage"]["total_tokens"] > 0
    seconds, rate = seconds_of(sound, "mp3")
    assert (seconds, rate) == (pytest.approx(0.58, abs=0.12), 22050)


def test_fields_of_others_travel_in_extra_body(client: OpenAI, server: Server) -> None:
    made = client.audio.speech.create(
        model="tts-1",
        voice="alloy",
        input=TWO,
        response_format="wav",
        speed=4,
        instructions="Sad.",
        extra_body={"ref_audio": server.clip_hex, "seed": 5, "lang_code": "a"},
    )
    headers = made.response.headers
    assert (headers["X-Speed"], headers["X-Seed"]) == ("2", "5")
    assert "no model" in headers["X-Warning"]
    # Half of the speech; the pause stays as it is.
    assert seconds_of(made.content, "wav")[0] == pytest.approx(0.31 / 2 + 0.2, abs=0.01)


def test_models(client: OpenAI) -> None:
    assert {"tts-1", "indextts2"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("tts-1").id == "tts-1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_an_unknown_voice(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.audio.speech.create(model="tts-1", voice="nobody", input="hello")
    assert (caught.value.param, caught.value.code) == ("voice", "unknown_voice")
    assert "en_female" in caught.value.message
    assert caught.value.request_id


def test_a_wrong_key(strict_server: Server) -> None:
    with client_of(strict_server, "sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.audio.speech.create(model="tts-1", voice="alloy", input="hello")
        assert caught.value.type == "authentication_error"
        assert caught.value.code == "invalid_api_key"
    with client_of(strict_server, KEY) as client:
        assert client.audio.speech.create(model="tts-1", voice="alloy", input="hello").content


def test_a_text_that_is_too_long(strict_server: Server) -> None:
    with client_of(strict_server, KEY) as client, pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(model="tts-1", voice="alloy", input="a" * 51)
    assert (caught.value.param, caught.value.code) == ("input", "string_above_max_length")


# -- retries ---------------------------------------------------------------------------------------


def test_what_is_only_slow_is_spoken_once(client: OpenAI, server: Server) -> None:
    """The package waits ten minutes by itself, and the answer comes in time."""
    text = "[slow 2] only once"
    for format in ("wav", "mp3"):
        client.audio.speech.create(
            model="tts-1", voice="alloy", input=text, response_format=format  # type: ignore[arg-type]
        )  # fmt: skip
    assert len([line for line in server.events("start") if "only once" in line]) == 2


@pytest.mark.parametrize("format", ["wav", "mp3"])
def test_who_gives_up_takes_the_work_along(server: Server, format: str) -> None:
    """The package closes the connection before it tries again, which ends the synthesis: there are
    never two at once, and none goes on behind the last one.
    """
    text = f"[slow 250] given up as {format}"
    kinds: list[str] = []
    while not kinds:  # the engine may not have heard of it before the time was over
        with (
            client_of(server, timeout=1.0, max_retries=2) as client,
            pytest.raises(openai.APITimeoutError),
        ):
            client.audio.speech.create(
                model="tts-1", voice="alloy", input=text, response_format=format  # type: ignore[arg-type]
            )  # fmt: skip
        wait_for(lambda: idle(server))
        lines = server.journal.read_text(encoding="utf-8").splitlines()
        kinds = [line.split()[2] for line in lines if line.endswith(text)]
    assert len(kinds) / 2 <= 3
    assert kinds == ["start", "CancelledError"] * (len(kinds) // 2)


def test_what_took_too_long_is_not_begun_again(strict_server: Server) -> None:
    with (
        client_of(strict_server, KEY, max_retries=2) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.audio.speech.create(model="tts-1", voice="alloy", input="[slow 60] no end")
    assert caught.value.code == "deadline_exceeded"
    assert len([line for line in strict_server.events("start") if "no end" in line]) == 1


def test_a_failure_with_a_seed_is_not_repeated(client: OpenAI, server: Server) -> None:
    for seed, tries in ((1, 1), (None, 3)):
        text = f"[fail] with seed {seed}"
        with pytest.raises(openai.InternalServerError):
            client.audio.speech.create(
                model="tts-1", voice="alloy", input=text, extra_body={"seed": seed}
            )
        assert len([line for line in server.events("start") if text in line]) == tries


def test_a_rate_limit_is_waited_for(tmp_path: Path, clip_hex: str) -> None:
    with running_server(tmp_path, clip_hex, rate_limit=60, rate_burst=1) as server:
        with client_of(server) as client:
            for _ in range(3):
                assert client.audio.speech.create(model="tts-1", voice="alloy", input="hi").content
        answered = requests.get(f"{server.url}/metrics", timeout=10).text
    assert 'code="429",method="POST",route="/v1/audio/speech"' in answered


def test_a_failure_after_the_first_sound(server: Server) -> None:
    """Half a sentence never looks whole: the connection breaks, or an event says it."""
    with client_of(server, max_retries=0) as client:
        with pytest.raises(openai.APIConnectionError):
            client.audio.speech.create(model="tts-1", voice="alloy", input="first\n[fail]")
        with client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="alloy", input="first\n[fail]", stream_format="sse"
        ) as answer:
            last = [line for line in answer.iter_lines() if line.startswith("data: ")][-1]
    event = json.loads(last.removeprefix("data: "))
    assert (event["type"], event["error"]["type"]) == ("error", "server_error")


def test_the_sound_is_the_same_for_both(client: OpenAI) -> None:
    """Whole and streamed, the samples of a seed are those of the model."""
    speech = client.audio.speech
    more = {"seed": 3, "quick_streaming_tokens": 0}
    whole = speech.create(
        model="tts-1", voice="alloy", input=TWO, response_format="wav", extra_body=more
    )
    with speech.with_streaming_response.create(
        model="tts-1",
        voice="alloy",
        input=TWO,
        response_format="wav",
        stream_format="audio",
        extra_body=more,
    ) as answer:
        streamed = answer.read()
    assert np.array_equal(
        np.frombuffer(whole.content[44:], "<i2"), np.frombuffer(streamed[44:], "<i2")
    )
