"""examples/play.js in a browser, on a page of another origin than the service."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.app.gunicorn_server import ROOT, Server, running_server, wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
# Notes when pieces of sound begin; a click is what lets a page make sound.
PAGE = """\
<!doctype html><meta charset="utf-8"><button>speak</button>
<script type="module">
import { speakAloud } from "./play.js";
window.starts = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when) {
  window.starts.push([when, this.buffer.duration]);
  return start.call(this, when);
};
const asked = new URLSearchParams(location.search);
document.querySelector("button").onclick = () => {
  window.stop = new AbortController();
  speakAloud(asked.get("text"), { url: asked.get("url"), signal: window.stop.signal })
    .then(() => { window.outcome = "heard"; }, (error) => { window.outcome = `${error}`; });
};
window.loaded = true;
</script>
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """The tests' own requests are of no interest."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site of somebody else, with the example on it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "examples" / "play.js", folder)
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    site.server_close()
    thread.join(10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("play"), "", cors_origins=origin) as running:
        yield running


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page()
        browser.close()


def speak(page: Page, origin: str, server: Server, text: str) -> None:
    page.goto(f"{origin}/?url={server.url}/v1&text={text}")
    page.wait_for_function("window.loaded")
    page.click("button")


def test_it_sounds_while_it_is_made(page: Page, origin: str, server: Server) -> None:
    speak(page, origin, server, "first%0A[until heard]")
    page.wait_for_function("window.starts.length > 0")
    assert page.evaluate("window.outcome") is None
    server.journal.with_name("heard").touch()
    page.wait_for_function("window.outcome")
    assert page.evaluate("window.outcome") == "heard"
    starts = page.evaluate("window.starts")
    assert sum(length for _, length in starts) == pytest.approx(0.15 + 0.2 + 0.23, abs=0.001)
    for (begin, length), (following, _) in itertools.pairwise(starts):
        assert following >= begin + length - 1e-6  # nothing sounds twice at once


def test_it_tells_what_went_wrong(page: Page, origin: str, server: Server) -> None:
    speak(page, origin, server, "[silent]")
    page.wait_for_function("window.outcome")
    assert "nothing to speak" in page.evaluate("window.outcome")
    speak(page, origin, server, "first%0A[fail]")
    page.wait_for_function("window.outcome")
    assert "Error" in page.evaluate("window.outcome")


def test_who_stops_it_stops_the_synthesis(page: Page, origin: str, server: Server) -> None:
    speak(page, origin, server, "first%0A[slow 250]")
    page.wait_for_function("window.starts.length > 0")
    page.evaluate("window.stop.abort()")
    page.wait_for_function("window.outcome")
    assert "Abort" in page.evaluate("window.outcome")
    wait_for(lambda: not server.health().json()["running"])
