"""Type, choose, press: the sound is heard while it is made, and kept."""

from __future__ import annotations

import re
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import expect
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from tests.app.conftest import AppMaker, wave_bytes
from tests.app.gunicorn_server import Server, running_server, wait_for
from tests.app.page.conftest import (
    BROWSER_TEST,
    Visitor,
    choose,
    decoded,
    finished,
    save,
    seconds_heard,
    speak,
    until,
    upload,
)

pytestmark = BROWSER_TEST

LINE = "A line of sixty letters, more or less, hums for most of a second."


def test_it_is_heard_before_the_answer_is_complete(server: Server, visit: Visitor) -> None:
    page = visit(server)
    speak(page, f"{LINE}\n[until go] {LINE}")
    until(page, "document.querySelector('#audio').currentTime > 0.2")
    before = seconds_heard(page)
    until(page, f"document.querySelector('#audio').currentTime > {before} + 0.1")
    # The second line waits for us: nothing of this came from a complete answer.
    assert server.events("done") == []
    assert page.locator(".result.whole").count() == 0
    assert page.locator("#audio").get_attribute("src") is None
    assert page.locator(".number.first dd").inner_text().endswith(" s")
    expect(page.locator("#status")).to_contain_text("The first sound came after")

    server.journal.with_name("go").touch()
    finished(page)
    expect(page.locator("#status")).to_contain_text("Finished")
    # Once it has been heard, the element has the file, in which one can seek.
    until(page, "document.querySelector('#audio').src.startsWith('blob:')")
    slider = page.locator(".wave")
    slider.press("Home")
    until(page, "document.querySelector('#audio').currentTime === 0")
    slider.press("ArrowRight")
    until(page, "document.querySelector('#audio').currentTime > 1")
    page.locator(".toggle").click()
    until(page, "!document.querySelector('#audio').paused")


def test_fast_it_is_heard_before_its_first_segment_is_complete(
    visit: Visitor, tmp_path: Path
) -> None:
    folder = tmp_path / "voices"
    with running_server(tmp_path, wave_bytes().hex(), voices_dir=folder, quality="fast") as server:
        page = visit(server)
        page.locator("#format").select_option("wav")
        speak(page, f"[until go] {LINE}")
        until(page, "document.querySelector('#audio').currentTime > 0.1")
        assert server.events("done") == []
        server.journal.with_name("go").touch()
        finished(page)
        samples, rate = decoded(save(page, tmp_path).read_bytes())
        assert len(samples) / rate == pytest.approx(
            0.1 + 0.01 * len(f"[until go] {LINE}"), abs=0.01
        )


def test_a_result_shows_its_numbers_and_its_outline(server: Server, visit: Visitor) -> None:
    page = visit(server)
    page.locator("#seed").fill("77")
    speak(page, f"{LINE} ☃")
    finished(page)
    numbers = page.locator(".numbers").inner_text().split("\n")
    assert {"First sound", "RTF", "Length", "Seed"} <= set(numbers)
    assert numbers[numbers.index("Seed") + 1] == "77"
    assert float(page.locator(".number.rtf dd").inner_text()) < 1
    assert page.locator(".warnings li").all_inner_texts() == ["unknown character"]
    drawn = page.locator(".wave canvas").evaluate(
        """canvas => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return data.filter((value, i) => i % 4 === 3 && value > 0).length / (data.length / 4);
        }"""
    )
    assert 0.1 < drawn < 0.9


@pytest.mark.parametrize("form", ["wav", "mp3", "opus", "flac", "ogg"])
def test_the_download_is_a_whole_file(
    server: Server, visit: Visitor, tmp_path: Path, form: str
) -> None:
    page = visit(server)
    page.locator("#format").select_option(form)
    # The stand-in hums a hundredth of a second for each letter, and a tenth for each line.
    speak(page, f"{LINE}\n{LINE}")
    until(page, "document.querySelector('#audio').currentTime > 0.1")
    finished(page)
    path = save(page, tmp_path)
    assert path.name == f"speech.{form}"
    expected = 2 * (0.1 + 0.01 * len(LINE)) + 0.2
    samples, rate = decoded(path.read_bytes())
    assert len(samples) / rate == pytest.approx(expected, abs=0.1)
    assert 0.2 < abs(samples).max() < 0.4
    if form in ("wav", "flac"):
        # These say how long they are, and it is true.
        info = soundfile.info(path)
        assert info.frames == len(soundfile.read(path)[0])
        assert info.duration == pytest.approx(expected, abs=0.001)


def test_the_command_does_the_same(server: Server, visit: Visitor, tmp_path: Path) -> None:
    page = visit(server)
    clip = wave_bytes(3.2)
    name = "my, own; voice's.wav"
    upload(page, clip, name)
    choose(page, "emotion", "vector")
    page.locator("#emotion-happy").fill("0.6")
    page.locator("#format").select_option("mp3")
    speak(page, 'It\'s "here": @100% of $HOME;\n\\and 你好')
    finished(page)
    expected = save(page, tmp_path).read_bytes()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".command summary").click()
    page.locator(".copy").click()
    expect(page.locator(".copy")).to_have_attribute("data-say", "copied")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == page.locator(".result code").text_content()
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / name).write_bytes(clip)
    subprocess.run(["sh", "-c", command], cwd=folder, check=True, timeout=60, capture_output=True)
    assert (folder / "speech.mp3").read_bytes() == expected


def test_cancel_closes_the_stream(server: Server, visit: Visitor) -> None:
    page = visit(server)
    speak(page, f"{LINE}\n[until never] that is cancelled")
    until(page, "document.querySelector('#audio').currentTime > 0.1")
    page.locator("#cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled.")
    assert page.locator(".result").count() == 0
    expect(page.locator("#speak")).to_be_focused()

    def ended() -> bool:
        lines = server.journal.read_text().splitlines()
        return any("never" in line and line.split()[2] not in ("start", "done") for line in lines)

    wait_for(ended)


def test_a_failure_in_the_middle_is_told(server: Server, visit: Visitor) -> None:
    page = visit(server)
    speak(page, f"{LINE}\n[fail]")
    error = page.locator("#error-general")
    expect(error).to_contain_text("The speech failed")
    assert page.locator(".result").count() == 0
    # The next attempt takes the complaint back.
    speak(page, "Again.")
    finished(page)
    expect(error).to_be_hidden()


def test_a_broken_connection_is_told(server: Server, visit: Visitor) -> None:
    page = visit(server)
    page.route(
        "**/tts/stream",
        lambda route: route.fulfill(
            content_type="text/event-stream",
            body='event: start\ndata: {"content_type": "audio/wav", "audio": ""}\n\n',
        ),
    )
    speak(page, "Half of it.")
    expect(page.locator("#error-general")).to_contain_text("The connection broke")


def test_the_last_ten_are_kept(server: Server, visit: Visitor) -> None:
    page = visit(server)
    for number in range(11):
        speak(page, f"{number}.")
        finished(page, min(10, number + 1))
        expect(page.locator(".result .said").first).to_have_text(f"{number}.")
    assert page.locator(".result .said").last.inner_text() == "1."
    # An old one can still be heard.
    page.locator(".result .toggle").last.click()
    until(page, "document.querySelector('#audio').currentTime > 0")


def test_a_long_file_is_heard_to_its_end(server: Server, visit: Visitor) -> None:
    """More than half a minute ahead of what is heard, the page decodes less often."""
    page = visit(server)
    page.locator("#format").select_option("opus")
    speak(page, "\n".join(["hum " * 50] * 24))
    finished(page)
    expect(page.locator(".time")).to_have_text(re.compile(r"^0:\d\d / 0:52$"))
    decoded = "document.querySelector('.wave').getAttribute('aria-valuemax')"
    assert float(page.evaluate(decoded)) == pytest.approx(24 * 2 + 23 * 0.2, abs=0.1)
    slider = page.locator(".wave")
    slider.press("End")
    until(page, "Math.abs(document.querySelector('#audio').currentTime - 52.6) < 0.1")
    slider.press("ArrowLeft")
    page.locator(".toggle").click()
    until(page, "document.querySelector('#audio').ended")


def test_it_works_behind_a_path_prefix(make_app: AppMaker, visit: Visitor, tmp_path: Path) -> None:
    app = make_app(voices_dir=str(tmp_path / "voices"))
    mounted = DispatcherMiddleware(NotFound(), {"/deep/speech": app})
    http = make_server("127.0.0.1", 0, mounted, threaded=True)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        page = visit(Place(f"http://127.0.0.1:{http.server_port}/deep/speech"))
        page.locator("#voice .listen").first.click()
        speak(page, "Below a path.")
        finished(page)
        assert "/deep/speech/tts/stream'" in (page.locator(".result code").text_content() or "")
        page.context.close()
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@dataclass(frozen=True)
class Place:
    """An address of the page."""

    url: str
