"""docs/deployment.md: what it names is there."""

from __future__ import annotations

import re

import pytest

from app.settings import Settings
from app.settings.model import SPARE_THREADS
from app.settings.source import fields
from tests.deploy.tools import ROOT, output_of

pytestmark = pytest.mark.deploy

TEXT = (ROOT / "docs/deployment.md").read_text()


def test_files_and_links_exist() -> None:
    for path in re.findall(r"`((?:deploy|nginx|tests|docs)/[\w./-]*)", TEXT):
        assert (ROOT / path.rstrip(".")).exists(), path
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        page = ROOT / "docs" / (name or "deployment.md")
        assert page.exists(), link
        assert not anchor or anchor in anchors(page.read_text()), link


def anchors(text: str) -> set[str]:
    """Of the titles of a page."""
    titles = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_settings_exist() -> None:
    known = {f"INDEXTTS_{name.upper()}" for name, _, _ in fields()}
    for path in ("docs/deployment.md", "nginx/template.conf", "deploy/systemd/indextts@.service"):
        text = (ROOT / path).read_text()
        assert set(re.findall(r"\bINDEXTTS_[A-Z_]+[A-Z]", text)) - {"INDEXTTS_PORT"} <= known


def test_the_request_threads_are_those_of_the_code() -> None:
    row = re.search(r"^\| Request threads \| (.*?) \|", TEXT, flags=re.M)
    assert row is not None
    settings = Settings()
    parts = (1 + settings.queue_size, settings.download_places, settings.stream_places)
    numbers = [settings.thread_count, *parts, SPARE_THREADS]
    assert [int(number) for number in re.findall(r"\d+", row[1])] == numbers
    assert f"`INDEXTTS_QUEUE_SIZE={settings.queue_size}`" in TEXT


@pytest.mark.parametrize(
    "script",
    [
        *("deploy/install.sh", "deploy/uninstall.sh", "deploy/upgrade.sh"),
        *("deploy/rolling-restart.sh", "nginx/render.py", "run_docker.sh"),
    ],
)
def test_options_exist(script: str) -> None:
    known = output_of([ROOT / script, "--help"])
    commands = re.findall(rf"{re.escape(script)}((?: [^\n`#|]*(?:\\\n)?)*)", TEXT)
    assert commands
    for command in commands:
        for option in re.findall(r" (--[a-z][\w-]*)", command.split(" -- ")[0]):
            assert option in known, f"{script} {option}"


def test_the_quick_start_has_ten_commands() -> None:
    block = TEXT.split("## From an empty server to HTTPS")[1].split("```")[1]
    assert len(block.strip().splitlines()) - 1 == 10
