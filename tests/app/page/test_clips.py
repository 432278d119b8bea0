"""Voices and emotions: stored, uploaded, recorded, on sliders."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.app.conftest import wave_bytes
from tests.app.gunicorn_server import Server
from tests.app.page.conftest import (
    BROWSER_TEST,
    Visitor,
    choose,
    decoded,
    finished,
    refuse,
    speak,
    until,
    upload,
)
from tests.indextts.goldens import arrays, needs_goldens

pytestmark = BROWSER_TEST

# How much each slider counts (docs/model/gpt.md 6).
SHARES = (0.9375, 0.875, 1.0, 1.0, 0.9375, 0.9375, 0.6875, 0.5625)
TONED_DOWN = """async sliders => {
  const { href } = document.querySelector('link[href$="strengths.js"]');
  return (await import(href)).tonedDown(sliders);
}"""


def sent(page: Page, text: str = "What is sent.") -> dict[str, Any]:
    """Speak, and give the body that went out."""
    with page.expect_request("**/tts/stream") as request:
        speak(page, text)
    finished(page)
    body: dict[str, Any] = request.value.post_data_json
    return body


def clip_of(value: str) -> bytes:
    return base64.b64decode(value.removeprefix("data:application/octet-stream;base64,"))


def test_a_stored_voice_is_heard_and_chosen(server: Server, visit: Visitor) -> None:
    # The clip does not end before the button is pressed again.
    page = visit(
        server,
        script="window.Audio = class extends Audio { constructor() { super().loop = true; } };",
    )
    names = page.locator("#voice .voice-name").all_inner_texts()
    assert {"en_female", "zh_male"} <= set(names)
    listen = page.get_by_role("button", name="Listen to zh_male")
    with page.expect_response("**/v1/audio/voices/zh_male/sample") as answer:
        listen.first.click()
    assert answer.value.status == 200
    stop = page.get_by_role("button", name="Stop zh_male")
    expect(stop).to_be_visible()
    stop.click()
    expect(stop).to_be_hidden()
    choose(page, "spk_audio-voice", "zh_male")
    assert sent(page)["spk_audio"] == "voice:zh_male"


def test_a_voice_that_is_gone_is_told(server: Server, visit: Visitor) -> None:
    page = visit(server, expected=("404",))
    body = {"error": "unknown_voice", "errors": {"spk_audio": ["There is no voice {x}."]}}
    refuse(page, 404, body)
    refuse(page, 404, body, "**/sample")
    page.locator("#voice .listen").first.click()
    error = page.locator("#error-spk_audio")
    expect(error).to_have_text("This voice cannot be heard now.")
    with page.expect_response("**/v1/audio/voices"):  # the list is read again
        speak(page, "In a voice that is gone.")
    expect(error).to_have_text("This voice is no longer there. The list has been read again.")


def test_a_voice_of_the_pages_language_is_chosen_at_first(server: Server, visit: Visitor) -> None:
    assert sent(visit(server))["spk_audio"].startswith("voice:en_")
    assert sent(visit(server, locale="zh-CN"))["spk_audio"].startswith("voice:zh_")


def test_an_uploaded_clip_is_sent_as_it_is(server: Server, visit: Visitor) -> None:
    page = visit(server)
    upload(page, wave_bytes(1.5), "short.wav")
    note = page.locator('#voice .file[data-of="upload"]')
    expect(note).to_contain_text("1.5 s")
    expect(note).to_contain_text("This is short")
    upload(page, clip := wave_bytes(4), "voice.wav")
    expect(note).to_contain_text("4 s")
    expect(note).not_to_contain_text("This is short")
    assert clip_of(sent(page)["spk_audio"]) == clip
    page.get_by_role("button", name="Remove voice.wav").click()
    speak(page, "Without a voice.")
    expect(page.locator("#error-spk_audio")).to_have_text(
        "Choose a voice, or bring one of your own."
    )


def test_a_clip_that_is_none_is_refused_beside_the_voice(server: Server, visit: Visitor) -> None:
    page = visit(server, expected=("400 (BAD REQUEST)",))
    upload(page, b"These are no samples at all. " * 100, "notes.wav")
    expect(page.locator("#voice .note")).to_contain_text("cannot play")
    speak(page, "With a bad clip.")
    error = page.locator("#error-spk_audio")
    expect(error).to_contain_text("Convert the clip to WAV, FLAC or MP3.")
    expect(page.locator('[name="spk_audio-mode"]:checked')).to_be_focused()
    assert page.locator(".result").count() == 0
    upload(page, wave_bytes(), "voice.wav")
    expect(error).to_be_hidden()


def test_a_clip_that_is_too_large_is_not_sent(server: Server, visit: Visitor) -> None:
    script = """document.addEventListener("readystatechange", () => {
      const facts = document.querySelector('meta[name="indextts-facts"]');
      facts.content = JSON.stringify({ ...JSON.parse(facts.content), max_clip_bytes: 10000 });
    }, { once: true });"""
    page = visit(server, script=script)
    upload(page, wave_bytes(2))
    expect(page.locator("#error-spk_audio")).to_contain_text("too large: at most 0.01 MB")


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en-US", "This clip lasts 70 s; the server takes 60 s at most. Cut out 3 to 15 seconds."),
        ("zh-CN", "这段音频长 70 秒，服务器最多接受 60 秒。请截取其中 3 到 15 秒。"),
    ],
)
@pytest.mark.parametrize("field", ["spk_audio", "emo_audio"])
def test_a_clip_that_is_too_long_is_not_sent(
    server: Server, visit: Visitor, locale: str, words: str, field: str
) -> None:
    page = visit(server, locale=locale)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    if field == "emo_audio":
        choose(page, "emotion", "clip")
    upload(page, wave_bytes(70), field=field)
    page.locator("#speak").click()  # nobody waits until the clip is measured
    error = page.locator(f"#error-{field}")
    expect(error).to_have_text(words)
    page.locator("#speak").click()
    expect(error).to_have_text(words)
    assert not [url for url in asked if url.endswith("/tts/stream")]
    upload(page, wave_bytes(60), field=field)
    expect(error).to_be_hidden()
    sent(page)


def test_the_microphone_records(server: Server, visit: Visitor) -> None:
    """Chromium's pretended microphone beeps once a second."""
    page = visit(server)
    choose(page, "spk_audio-mode", "record")
    record = page.locator("#voice .record")
    record.click()
    until(
        page,
        "parseFloat(document.querySelector('#voice .meter span').style.transform.slice(7)) > 0.3",
    )
    expect(record).to_have_text("Stop")
    until(page, "document.querySelector('#voice .clock').textContent >= '0:02'")
    record.click()
    expect(page.locator('#voice .file[data-of="record"]')).to_contain_text("recording.webm")
    expect(record).to_have_text("Start recording")
    clip = clip_of(sent(page)["spk_audio"])
    samples, rate = decoded(clip)
    assert len(samples) / rate > 1.5
    assert abs(samples).max() > 0.05
    command = page.locator(".result code").text_content() or ""
    assert """-F 'spk_audio=@"recording.webm"'""" in command


def test_a_microphone_that_is_not_allowed(server: Server, visit: Visitor) -> None:
    page = visit(
        server,
        script="""navigator.mediaDevices.getUserMedia = () =>
          Promise.reject(new DOMException("no", "NotAllowedError"));""",
    )
    choose(page, "spk_audio-mode", "record")
    page.locator("#voice .record").click()
    expect(page.locator("#voice .record-note")).to_contain_text("The microphone is not allowed")
    expect(page.locator("#voice .record")).to_be_enabled()


def test_without_https_there_is_no_microphone(server: Server, visit: Visitor) -> None:
    page = visit(
        server, script="Object.defineProperty(window, 'isSecureContext', { value: false });"
    )
    choose(page, "spk_audio-mode", "record")
    expect(page.locator("#voice .record")).to_be_disabled()
    expect(page.locator("#voice .record-note")).to_contain_text("only over HTTPS or on localhost")


def test_emotions(server: Server, visit: Visitor) -> None:
    page = visit(server)
    assert not {"emo_audio", "emo_vector", "emo_text", "speed", "seed", "quality"} & set(sent(page))

    page = visit(server)
    choose(page, "emotion", "vector")
    speak(page, "No slider was moved.")
    expect(page.locator("#error-emo_vector")).to_have_text("Move at least one slider.")
    page.locator("#emotion-sad").fill("0.35")
    page.locator("#emo-alpha").fill("0.8")
    page.locator("#speed").fill("1.25")
    page.locator("#quality").select_option("fast")
    body = sent(page)
    assert body["emo_vector"] == [0, 0, 0.35, 0, 0, 0, 0, 0]
    assert (body["emo_alpha"], body["speed"], body["quality"]) == (0.8, 1.25, "fast")

    page = visit(server)
    choose(page, "emotion", "vector")
    page.locator("#emotion-sad").fill("0.35")
    page.locator("#emotion-calm").fill("1")
    strengths = sent(page)["emo_vector"]
    total = 0.35 + 0.5625
    expected = [0, 0, 0.8 * 0.35 / total, 0, 0, 0, 0, 0.8 * 0.5625 / total]
    assert strengths == pytest.approx(expected)
    # The command has what was sent.
    command = page.locator(".result code").first.text_content() or ""
    assert f"emo_vector={','.join(map(str, strengths))}" in command

    page = visit(server)
    choose(page, "emotion", "clip")
    upload(page, clip := wave_bytes(3), "mood.wav", "emo_audio")
    assert clip_of(sent(page)["emo_audio"]) == clip


def test_sliders_are_toned_down(server: Server, visit: Visitor) -> None:
    page = visit(server)
    for sliders, strengths in (
        ([0.0] * 8, [0.0] * 8),
        # Each emotion by itself, and all together as far as the sum allows.
        ([0.5] + [0.0] * 7, [0.46875] + [0.0] * 7),
        ([0.0] * 7 + [1.0], [0.0] * 7 + [0.5625]),
        ([0.0, 0.0, 0.8] + [0.0] * 5, [0.0, 0.0, 0.8] + [0.0] * 5),
        ([0.0, 0.0, 1.0] + [0.0] * 5, [0.0, 0.0, 0.8] + [0.0] * 5),
        ([0.1] * 8, [0.1 * share for share in SHARES]),
        ([1.0] * 8, [0.8 * share / sum(SHARES) for share in SHARES]),
    ):
        assert page.evaluate(TONED_DOWN, sliders) == pytest.approx(strengths, abs=1e-12)


@needs_goldens
def test_sliders_are_toned_down_as_in_the_originals_demo(server: Server, visit: Visitor) -> None:
    page = visit(server)
    golden = arrays("gpt/emotion.npz")
    for i in range(2):
        strengths = page.evaluate(TONED_DOWN, golden[f"user{i}"].flatten().tolist())
        expected = golden[f"normalized_bias{i}"].flatten().tolist()
        assert strengths == pytest.approx(expected, abs=1e-7)


def test_emotion_in_words_where_the_model_reads_them(server: Server, visit: Visitor) -> None:
    page = visit(server)
    expect(page.locator("#emotion-text-choice")).to_be_hidden()
    page = visit(
        server,
        script="""const plain = window.fetch;
          window.fetch = async (path, options) => {
            const answer = await plain(path, options);
            if (path !== "health") return answer;
            return Response.json({ ...(await answer.json()), emotion_text: true });
          };""",
        expected=("422",),
    )
    choose(page, "emotion", "text")
    page.locator("#emo-text").fill("Glad to be home.")
    with page.expect_request("**/tts/stream") as request:
        speak(page, "With words.")
    assert request.value.post_data_json["emo_text"] == "Glad to be home."
    # The stand-in has no such model, and says so.
    expect(page.locator("#error-emo_text")).to_contain_text("no model for emotion from text")
