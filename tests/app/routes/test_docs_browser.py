"""The documentation pages in a real browser: scripts run, the operations are drawn."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

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
