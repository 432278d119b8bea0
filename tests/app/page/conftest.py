"""The page in headless Chromium, with a pretended microphone, and what people do on it."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.app.conftest import wave_bytes
from tests.app.gunicorn_server import Server, running_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DESKTOP = (1280, 900)
PHONE = (390, 844)
WAIT_MS = 30_000

# Marks of a conftest do not reach the tests; each module takes these.
BROWSER_TEST = [
    pytest.mark.deploy,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The stand-in engine, with the voices of the examples."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, wave_bytes().hex(), voices_dir=folder / "voices") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield launched
        launched.close()


class Site(Protocol):
    """Where the page is."""

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        ...


@dataclass
class Visit:
    """An open page, and what the browser says about it.

    Attributes:
        page: of Playwright.
        expected: parts of messages that may be on the console: browsers report each refusal there.
        messages: errors and warnings of the console, and uncaught errors.
        foreign: addresses of other hosts that were asked for.
    """

    page: Page
    expected: tuple[str, ...]
    messages: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self, url: str) -> None:
        host = urlsplit(url).netloc
        self.page.on("console", lambda line: self._note(line.type, line.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self._judge(request.url, host))

    def check(self) -> None:
        """Fails where the page asked for foreign things or said anything on the console."""
        assert self.foreign == []
        found = [m for m in self.messages if not any(part in m for part in self.expected)]
        assert found == []

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.messages.append(text)

    def _judge(self, url: str, host: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("blob", "data") and parts.netloc != host:
            self.foreign.append(url)


Visitor = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visitor]:
    """Opens the page; whatever it says on the console, or asks of others, fails the test."""
    with ExitStack() as stack:
        visits: list[Visit] = []

        def open_page(
            server: Site,
            *,
            size: tuple[int, int] = DESKTOP,
            script: str = "",
            expected: tuple[str, ...] = (),
            **options: object,
        ) -> Page:
            settings = {"locale": "en-US", "reduced_motion": "reduce", **options}
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                **settings,  # type: ignore[arg-type]
            )
            stack.callback(context.close)
            context.set_default_timeout(WAIT_MS)
            if script:
                context.add_init_script(script)
            page = context.new_page()
            seen = Visit(page, expected)
            visits.append(seen)
            seen.watch(server.url)
            page.goto(server.url + "/")
            expect(page.locator("#state")).to_have_attribute("data-state", "healthy")
            return page

        yield open_page
        for seen in visits:
            seen.check()


def choose(page: Page, field: str, value: str) -> None:
    """Press one of the radio buttons called `field`."""
    page.locator(f'input[name="{field}"][value="{value}"]').check()


def upload(page: Page, content: bytes, name: str = "voice.wav", field: str = "spk_audio") -> None:
    """Bring a clip of one's own."""
    choose(page, f"{field}-mode", "upload")
    root = "#voice" if field == "spk_audio" else "#emotion-clip"
    file = {"name": name, "mimeType": "audio/wav", "buffer": content}
    page.locator(f"{root} .drop input").set_input_files(files=[file])  # type: ignore[list-item]


def speak(page: Page, text: str) -> None:
    """Type and press the button."""
    page.locator("#text").fill(text)
    page.locator("#speak").click()


def finished(page: Page, count: int = 1) -> None:
    """Wait for results that are whole."""
    expect(page.locator(".result.whole")).to_have_count(count, timeout=WAIT_MS)


def until(page: Page, condition: str) -> None:
    """Wait for an expression to be true.  Playwright's own needs eval, which the page forbids."""
    end = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"it did not come true in time: {condition}"
        page.wait_for_timeout(20)


def seconds_heard(page: Page) -> float:
    """The time of the audio element."""
    return float(page.evaluate("document.querySelector('#audio').currentTime"))


def decoded(file: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples of the first channel, and their rate: by a decoder that is not the service's."""
    with av.open(io.BytesIO(file)) as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray()[0] for frame in container.decode(stream)]
        samples = np.concatenate(frames)
        scale = 1.0 if samples.dtype.kind == "f" else 1.0 + np.iinfo(samples.dtype).max
        return (samples / scale).astype(np.float32), stream.rate


def save(page: Page, folder: Path) -> Path:
    """Download the newest result."""
    with page.expect_download() as download:
        page.locator(".result .save").first.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def refuse(
    page: Page, status: int, body: object, at: str = "**/tts/stream", **headers: str
) -> None:
    """Make the service answer so at an address."""

    def answer(route: Route) -> None:
        route.fulfill(
            status=status, headers=headers, content_type="application/json", body=json.dumps(body)
        )

    page.route(at, answer)
