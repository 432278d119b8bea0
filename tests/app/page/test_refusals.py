"""What the server refuses, in words, where it belongs; and the key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.app.conftest import wave_bytes
from tests.app.gunicorn_server import Server, running_server
from tests.app.page.conftest import (
    BROWSER_TEST,
    Visitor,
    choose,
    finished,
    refuse,
    speak,
    upload,
    violations,
)

pytestmark = BROWSER_TEST

KEY = "a-key-for-the-page"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("locked")
    settings = {"voices_dir": folder / "voices", "api_keys": KEY}
    with running_server(folder, wave_bytes().hex(), **settings) as running:
        yield running


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (429, "queue_full", "The server is busy. Try again in 7 s."),
        (429, "rate_limited", "Too many requests. Try again in 7 s."),
        (503, "model_not_loaded", "The model is not ready yet. Try again in 7 s."),
        (500, "deadline_exceeded", "Try a shorter text."),
        (418, "teapot", "The server says: I am a teapot."),
    ],
)
def test_refusals_are_told_beside_the_button(
    server: Server, visit: Visitor, status: int, code: str, words: str
) -> None:
    page = visit(server, expected=(str(status),))
    retry = {"Retry-After": "7"} if status in (429, 503) else {}
    refuse(page, status, {"error": code, "detail": "I am a teapot", "request_id": "r-1"}, **retry)
    speak(page, "Refuse this.")
    expect(page.locator("#error-general")).to_contain_text(words)
    expect(page.locator("#speak")).to_be_visible()


def test_what_is_wrong_with_a_field_is_told_beside_it(server: Server, visit: Visitor) -> None:
    page = visit(server, expected=("422",))
    errors = {"text": ["Too odd a text."], "seed": ["Not this one."]}
    refuse(page, 422, {"error": "validation_error", "detail": "", "errors": errors})
    speak(page, "Refuse this.")
    expect(page.locator("#error-text")).to_have_text("Too odd a text.")
    expect(page.locator("#error-seed")).to_have_text("Not this one.")
    expect(page.locator("#text")).to_be_focused()
    expect(page.locator("#error-general")).to_be_hidden()


def test_the_servers_own_validation_is_understood(server: Server, visit: Visitor) -> None:
    page = visit(server, expected=("422",))
    speak(page, "[silent]")
    expect(page.locator("#error-text")).to_contain_text("nothing to speak")


@pytest.mark.parametrize(
    ("error", "field", "code", "words"),
    [
        ("validation_error", "text", "nothing_to_speak", "这段文本没有可以朗读的内容"),
        ("validation_error", "text", "pause_too_long", "一次停顿最长 10 秒"),
        ("validation_error", "quality", "quality_unavailable", "请选择另一种"),
        ("invalid_audio", "spk_audio", "bad_format", "请转换为 WAV、FLAC 或 MP3"),
        ("invalid_audio", "emo_audio", "silent", "前 15 秒没有声音"),
        # These say all of it themselves.
        ("unknown_voice", "spk_audio", None, "这个音色已不存在"),
        ("download_timeout", "spk_audio", None, "未能及时取得音频"),
        ("deadline_exceeded", "text", None, "请缩短文本"),
    ],
)
def test_the_chinese_page_refuses_in_chinese(
    server: Server, visit: Visitor, error: str, field: str, code: str | None, words: str
) -> None:
    page = visit(server, locale="zh-CN", expected=("422",))
    body = {"error": error, "detail": "Not so", "errors": {field: ["Some English."]}}
    refuse(page, 422, body if code is None else {**body, "codes": {field: code}})
    choose(page, "emotion", "clip" if field == "emo_audio" else "none")
    if field == "emo_audio":
        choose(page, "emo_audio-mode", "stored")
    speak(page, "这样不行。")
    place = page.locator(f"#error-{field}")
    expect(place).to_contain_text(words)
    expect(place).not_to_contain_text("English")
    page.get_by_role("button", name="English").click()
    expect(place).not_to_contain_text(words)


def test_a_text_that_is_too_much_is_told_in_words_of_the_page(
    server: Server, visit: Visitor
) -> None:
    page = visit(server, locale="zh-CN", expected=("422",))
    body = {"error": "validation_error", "detail": "Validation failed"}
    about = {"errors": {"_schema": ["about 2000 s"]}, "codes": {"_schema": "speech_too_long"}}
    refuse(page, 422, {**body, **about})
    speak(page, "很长。")
    expect(page.locator("#error-general")).to_have_text("文本超出一次能朗读的长度。请分几次朗读。")


def test_what_has_no_code_is_told_as_the_server_says_it(server: Server, visit: Visitor) -> None:
    page = visit(server, locale="zh-CN", expected=("400",))
    refuse(page, 400, {"error": "invalid_audio", "errors": {"spk_audio": ["it is {x}"]}})
    speak(page, "这样不行。")
    expect(page.locator("#error-spk_audio")).to_have_text("这段音频无法使用：it is {x}。")


def test_the_chinese_page_says_in_chinese_what_the_server_refuses(
    server: Server, visit: Visitor
) -> None:
    """The same with the codes that the server itself gives."""
    page = visit(server, locale="zh-CN", expected=("422", "400"))
    speak(page, "[silent]")
    expect(page.locator("#error-text")).to_have_text(
        "这段文本没有可以朗读的内容。请输入中文、英文或数字。"
    )
    upload(page, b"These are no samples at all. " * 100, "notes.wav")
    speak(page, "坏的音频。")
    expect(page.locator("#error-spk_audio")).to_have_text(
        "无法识别这个音频文件。请转换为 WAV、FLAC 或 MP3。"
    )


def test_a_bad_seed_is_not_sent(server: Server, visit: Visitor) -> None:
    page = visit(server)
    page.locator("#seed").fill("9" * 20)
    speak(page, "Not sent.")
    expect(page.locator("#error-seed")).to_contain_text("A whole number")


def test_a_server_that_is_gone_is_told(server: Server, visit: Visitor) -> None:
    page = visit(server, expected=("ERR_",))
    page.route("**/tts/stream", lambda route: route.abort())
    speak(page, "Nobody is there.")
    expect(page.locator("#error-general")).to_have_text("The service cannot be reached.")


def test_without_stored_voices_one_brings_ones_own(server: Server, visit: Visitor) -> None:
    script = """const plain = window.fetch;
      window.fetch = async (path, options) => path === "v1/audio/voices"
        ? Response.json({ details: [], default: null }) : plain(path, options);"""
    page = visit(server, script=script)
    expect(page.locator("#voice .drop")).to_be_visible()
    speak(page, "No voice.")
    expect(page.locator("#error-spk_audio")).to_contain_text("bring one of your own")


def test_the_state_is_told_while_the_model_loads(server: Server, visit: Visitor) -> None:
    script = """const plain = window.fetch;
      let asked = 0;
      window.fetch = async (path, options) => path === "health" && asked++ === 0
        ? Response.json({ status: "loading" }) : plain(path, options);"""
    page = visit(server, script=script)
    # The visit has waited until it was ready.
    expect(page.locator("#state")).to_have_text("Ready · stand-in · cpu")
    expect(page.locator("#notice")).to_have_text("It only hums.")


def test_the_key_opens_the_page(locked: Server, visit: Visitor) -> None:
    page = visit(locked, expected=("401",))
    expect(page.locator("#key")).to_be_visible()
    expect(page.locator("#voice .none")).to_have_text("Enter the API key to see the stored voices.")
    assert violations(page) == []
    page.locator("#key").fill("wrong")
    page.locator("#key").press("Enter")
    expect(page.locator("#error-key")).to_have_text("The server does not accept this key.")
    page.locator("#key").fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#key-panel")).to_be_hidden()
    expect(page.locator("#voice .voice").first).to_be_visible()
    speak(page, "Now it may.")
    finished(page)
    command = page.locator(".result code").text_content() or ""
    assert KEY not in command
    assert '-H "Authorization: Bearer $INDEXTTS_KEY"' in command
    # In this tab, and nowhere else.
    assert KEY in page.evaluate("JSON.stringify(sessionStorage)")
    assert KEY not in page.evaluate("JSON.stringify(localStorage)")
    assert page.context.cookies() == []
    page.reload()
    expect(page.locator("#voice .voice").first).to_be_visible()
    expect(page.locator("#key-panel")).to_be_hidden()


def test_a_401_asks_for_the_key(server: Server, visit: Visitor) -> None:
    page = visit(server, expected=("401",))
    refuse(page, 401, {"error": "unauthorized", "detail": "A valid API key is required"})
    speak(page, "Not without a key.")
    expect(page.locator("#key")).to_be_focused()
    expect(page.locator("#error-key")).to_be_visible()
