"""For everybody: axe, the keyboard alone, small screens."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.app.conftest import wave_bytes
from tests.app.gunicorn_server import Server
from tests.app.page.conftest import (
    BROWSER_TEST,
    DESKTOP,
    PHONE,
    Visitor,
    choose,
    finished,
    speak,
    upload,
    violations,
)

pytestmark = BROWSER_TEST


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    server: Server, visit: Visitor, size: tuple[int, int], scheme: str
) -> None:
    page = visit(server, size=size, color_scheme=scheme)
    assert violations(page) == []
    # As much as can be seen at once: an own clip, sliders, a result with a warning and a command.
    upload(page, wave_bytes(1), "short.wav")
    choose(page, "emotion", "vector")
    page.locator("#emotion-happy").fill("0.5")
    speak(page, "A result. ☃")
    finished(page)
    page.locator(".command summary").click()
    assert violations(page) == []
    # And complaints.
    page.locator("#seed").fill("much")
    speak(page, "")
    expect(page.locator("#error-text")).to_be_visible()
    choose(page, "spk_audio-mode", "record")
    choose(page, "emotion", "clip")
    assert violations(page) == []


def test_the_keyboard_is_enough(server: Server, visit: Visitor) -> None:
    page = visit(server)
    press = page.keyboard.press

    def go_to(selector: str) -> None:
        for _ in range(60):
            press("Tab")
            if page.evaluate("at => document.activeElement.matches(at)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached")

    press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    press("Enter")
    expect(page.locator("#text")).to_be_focused()
    press("Control+a")
    page.keyboard.type("By keyboard alone.")
    go_to('[name="spk_audio-voice"]')
    press("ArrowDown")
    chosen = page.locator('[name="spk_audio-voice"]:checked').get_attribute("value")
    go_to('[name="emotion"]')
    press("ArrowRight")
    press("ArrowRight")
    go_to("#emotion-calm")
    press("ArrowRight")
    go_to("#speak")
    with page.expect_request("**/tts/stream") as request:
        press("Enter")
    body = request.value.post_data_json
    assert body["text"] == "By keyboard alone."
    assert body["spk_audio"] == f"voice:{chosen}"
    assert body["emo_vector"][7] == 0.05 * 0.5625  # docs/model/gpt.md 6: calm is toned down
    finished(page)
    go_to(".toggle")
    press("Enter")
    go_to(".wave")
    press("Home")
    go_to(".save")
    with page.expect_download():
        press("Enter")
    go_to(".command summary")
    press("Enter")
    expect(page.locator(".result code")).to_be_visible()


def test_control_and_enter_speak(server: Server, visit: Visitor) -> None:
    page = visit(server)
    page.locator("#text").press("Control+Enter")
    finished(page)


def test_what_happens_is_said(server: Server, visit: Visitor) -> None:
    page = visit(server)
    for place in ("#status", "#state"):
        assert page.locator(place).get_attribute("role") == "status"
    speak(page, "")
    error = page.locator("#error-text")
    expect(error).to_have_text("Write something to speak.")
    assert error.get_attribute("role") == "alert"
    text = page.locator("#text")
    expect(text).to_be_focused()
    assert text.get_attribute("aria-invalid") == "true"
    assert "error-text" in (text.get_attribute("aria-describedby") or "").split()


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_narrowest_phone_needs_no_scrolling_sideways(
    server: Server, visit: Visitor, locale: str
) -> None:
    page = visit(server, size=(360, 740), locale=locale)
    upload(page, wave_bytes(1), "a very long name of a file that somebody once recorded.wav")
    choose(page, "emotion", "vector")
    page.locator("#emotion-happy").fill("0.5")
    speak(page, "Averylongwordwithoutanyblankinit" * 4)
    finished(page)
    page.locator(".command summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    # The button is there however far one has scrolled.
    expect(page.locator("#speak")).to_be_in_viewport(ratio=1)


def test_motion_is_asked_for(server: Server, visit: Visitor) -> None:
    still = "getComputedStyle(document.querySelector('#speak')).transitionDuration"
    assert visit(server).evaluate(still) == "0s"
    assert visit(server, reduced_motion="no-preference").evaluate(still) != "0s"
