from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.app.conftest import AppMaker

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FOLDER = Path(__file__).resolve().parents[3] / "app" / "page"


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
    assert {"page/main.js", "page/base.css"} <= links
    for link in links:
        assert page.get(f"/{link}").status_code == 200


def test_every_file_is_served_and_leads_nowhere_else(page: FlaskClient) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    files = [path for path in FOLDER.iterdir() if path.name != "index.html"]
    assert len(files) > 20
    for path in files:
        answer = page.get(f"/page/{path.name}")
        assert (answer.status_code, answer.mimetype) == (200, kinds[path.suffix])
        assert answer.headers["Cache-Control"] == "no-cache"
        again = page.get(f"/page/{path.name}", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), path
        for name in re.findall(r'from "\./([^"]+)"', text):
            assert (FOLDER / name).is_file(), f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "name", ["index.html", "nothing.js", "../settings/model.py", "%2e%2e%2fpage.py", ".", "a/b.js"]
)
def test_nothing_else_is_served(page: FlaskClient, name: str) -> None:
    assert page.get(f"/page/{name}").status_code == 404


def test_the_page_is_told_about_the_server(page: FlaskClient, make_app: AppMaker) -> None:
    facts = page.get("/page/facts.json").get_json()
    assert facts == {
        "needs_key": False,
        "docs": True,
        "max_text_chars": 5000,
        "max_clip_bytes": 20 * 1024 * 1024,
        "max_clip_seconds": 60.0,
        "emotions": [
            "happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm",
        ],
        "formats": ["wav", "mp3", "opus", "flac", "ogg"],
        "speed": {"min": 0.5, "max": 2.0},
    }  # fmt: skip
    other = make_app(start=False, api_keys=("k",), docs=False, max_body_bytes=1000).test_client()
    facts = other.get("/page/facts.json").get_json()
    assert (facts["needs_key"], facts["docs"], facts["max_clip_bytes"]) == (True, False, 700)


def test_the_page_can_be_switched_off(make_app: AppMaker) -> None:
    client = make_app(start=False, page=False).test_client()
    answer = client.get("/", headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (302, "docs")
    assert client.get("/", headers={"Accept": "application/json"}).status_code == 404
    assert client.get("/page/main.js").status_code == 404
    client = make_app(start=False, page=False, docs=False).test_client()
    assert client.get("/", headers=BROWSER).status_code == 404


def test_the_page_needs_no_documents(make_app: AppMaker) -> None:
    client = make_app(start=False, docs=False).test_client()
    assert client.get("/", headers=BROWSER).status_code == 200
