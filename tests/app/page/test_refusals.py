"""What the server refuses, in words, where it belongs; and the key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.app.conftest import wave_bytes
from tests.app.gunicorn_server import Server, running_server
from tests.app.page.conftest import BROWSER_TEST, Visitor, finished, refuse, speak, violations

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
