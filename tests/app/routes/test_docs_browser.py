"""The documentation pages in a real browser: scripts run, the operations are drawn."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import sync_playwright

from tests.app.gunicorn_server import running_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1200,900",
    "--virtual-time-budget=15000",
    "--enable-logging=stderr",
)


def browse(folder: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", *options, url],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_the_page_is_drawn_without_violations(tmp_path: Path, clip_hex: str, page: str) -> None:
    with running_server(tmp_path, clip_hex) as server:
        url = f"{server.url}/{page}"
        dom = browse(tmp_path, url, "--dump-dom")
        picture = tmp_path / "page.png"
        browse(tmp_path, url, f"--screenshot={picture}")
    for words in ("Speak a text", "State of the model", "/tts", "/health/live"):
        assert words in dom.stdout
    messages = [line for line in dom.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in messages if "Content Security Policy" in line], messages
    assert not [line for line in messages if "Uncaught" in line], messages
    blank = tmp_path / "blank.png"
    browse(tmp_path, "about:blank", f"--screenshot={blank}")
    # PNG squeezes an empty page to almost nothing; letters and boxes it cannot.
    assert picture.stat().st_size > 4 * blank.stat().st_size


def test_try_it_out_speaks(tmp_path: Path, clip: bytes, clip_hex: str) -> None:
    """What a newcomer does: the example as it stands, then a form with a text and a clip."""
    file = tmp_path / "voice.wav"
    file.write_bytes(clip)
    errors: list[str] = []
    with running_server(tmp_path, clip_hex) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(f"{server.url}/docs")
        operation = page.locator("#operations-speech-tts")
        operation.locator("button.opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        execute = operation.get_by_role("button", name="Execute")
        with page.expect_response("**/tts") as example:
            execute.click()
        assert example.value.status == 200
        operation.locator(".opblock-section-request-body select").first.select_option(
            "multipart/form-data"
        )
        clip_field = operation.locator("tr[data-property-name=spk_audio] input[type=file]")
        clip_field.set_input_files(str(file))
        with page.expect_response("**/tts") as form:
            execute.click()
        status, body = form.value.status, form.value.json()
        browser.close()
    assert status == 200, body
    samples, _ = soundfile.read(io.BytesIO(bytes.fromhex(body["audio_hex"])))
    assert abs(samples).max() > 0.1
    assert errors == []
