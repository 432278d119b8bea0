from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.app.conftest import AppMaker

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FOLDER = Path(__file__).resolve().parents[3] / "app" / "page"
FILES = sorted(path for path in FOLDER.iterdir() if path.name != "index.html")
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@pytest.fixture
def page(make_app: AppMaker) -> FlaskClient:
    return make_app(start=False).test_client()


def test_browsers_get_the_page_and_programs_do_not(page: FlaskClient) -> None:
    answer = page.get("/", headers=BROWSER)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "Accept" in answer.vary
    answer = page.get("/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()["error"]) == (404, "not_found")


def test_the_page_may_do_little(page: FlaskClient) -> None:
    headers = page.get("/", headers=BROWSER).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "microphone=(self)" in headers["Permissions-Policy"]
    assert "camera=()" in headers["Permissions-Policy"]


def test_all_that_it_loads_is_here_and_relative(page: FlaskClient) -> None:
    html = page.get("/", headers=BROWSER).text
    assert not re.search(r"https?://|<script>|<style|\son\w+=|\sstyle=", html)
    links = set(re.findall(r'(?:src|href)="([^"#]+)"', html)) - {"docs"}
    # Everything is asked for at once, no script only when another has been read.
    assert {link.rpartition("/")[2] for link in links} == {path.name for path in FILES}
    for link in links:
        answer = page.get(f"/{link}")
        assert (answer.status_code, answer.mimetype) == (200, KINDS[Path(link).suffix])
        assert "immutable" in answer.headers["Cache-Control"]


def test_the_page_itself_is_asked_for_again(page: FlaskClient) -> None:
    answer = page.get("/", headers=BROWSER)
    assert answer.headers["Cache-Control"] == "no-cache"
    again = page.get("/", headers={**BROWSER, "If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_file_of_another_version_is_not_kept(page: FlaskClient) -> None:
    answer = page.get("/page/0123456789abcdef/main.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_know_no_other_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|innerHTML|\beval\b", text)
    for name in re.findall(r'from "([^"]+)"', text):
        assert (FOLDER / name).is_file(), f"imports {name}"


@pytest.mark.parametrize(
    "name",
    ["index.html", "nothing.js", "../settings/model.py", "%2e%2e%2fpage.py", ".", "a/b.js", ""],
)
def test_nothing_else_is_served(page: FlaskClient, name: str) -> None:
    assert page.get(f"/page/v/{name}").status_code == 404


def test_the_page_is_told_about_the_server(page: FlaskClient, make_app: AppMaker) -> None:
    assert facts_of(page) == {
        "needs_key": False,
        "docs": True,
        "quality": "exact",
        "max_text_chars": 5000,
        "max_clip_bytes": 20 * 1024 * 1024,
        "max_clip_seconds": 60.0,
        "emotions": [
            "happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm",
        ],
        "formats": ["wav", "mp3", "opus", "flac", "ogg"],
        "speed": {"min": 0.5, "max": 2.0},
        "clip_padding_seconds": 0.5,
    }  # fmt: skip
    other = make_app(start=False, api_keys=("k",), docs=False, max_body_bytes=2000).test_client()
    facts = facts_of(other)
    assert (facts["needs_key"], facts["docs"], facts["max_clip_bytes"]) == (True, False, 1400)


def facts_of(client: FlaskClient) -> dict[str, Any]:
    found = re.search(
        r'<meta name="indextts-facts" content="([^"]+)">', client.get("/", headers=BROWSER).text
    )
    assert found is not None
    facts: dict[str, Any] = json.loads(unescape(found.group(1)))
    return facts


def test_the_page_can_be_switched_off(make_app: AppMaker) -> None:
    client = make_app(start=False, page=False).test_client()
    answer = client.get("/", headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (302, "docs")
    assert client.get("/", headers={"Accept": "application/json"}).status_code == 404
    assert client.get("/page/v/main.js").status_code == 404
    client = make_app(start=False, page=False, docs=False).test_client()
    assert client.get("/", headers=BROWSER).status_code == 404


def test_the_page_needs_no_documents(make_app: AppMaker) -> None:
    client = make_app(start=False, docs=False).test_client()
    assert client.get("/", headers=BROWSER).status_code == 200
