from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.app.conftest import AppMaker


@pytest.fixture
def docs(make_app: AppMaker) -> FlaskClient:
    return make_app(start=False).test_client()


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_pages_load_only_from_us(docs: FlaskClient, page: str) -> None:
    answer = docs.get(page)
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert not re.search(r"https?://|<script>|<style", answer.text)
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(links) >= 3
    for link in links:
        asset = docs.get(f"/{link}")
        assert asset.status_code == 200
        assert "max-age" in asset.headers["Cache-Control"]
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy


def test_only_known_assets_are_served(docs: FlaskClient) -> None:
    for name in ("../settings.py", "index.html", "%2e%2e%2fapp", "swagger-ui.css/x"):
        assert docs.get(f"/docs/assets/{name}").status_code == 404


def test_docs_can_be_switched_off(make_app: AppMaker) -> None:
    client = make_app(start=False, docs=False).test_client()
    for path in ("/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css"):
        assert client.get(path).status_code == 404


def test_the_description_begins_with_the_notice_of_the_model(
    client: FlaskClient, make_app: AppMaker
) -> None:
    def description(browser: FlaskClient) -> str:
        return str(browser.get("/openapi.json").get_json()["info"]["description"])

    assert description(client).startswith("> It only hums.\n\nText to speech")
    loading = make_app(start=False).test_client()
    assert description(loading).startswith("Text to speech")


@pytest.mark.parametrize("path", ["/tts", "/tts/stream"])
def test_the_example_can_be_sent_as_it_stands(client: FlaskClient, path: str) -> None:
    document = client.get("/openapi.json").get_json()
    content = document["paths"][path]["post"]["requestBody"]["content"]
    example = content["application/json"]["example"]
    assert example["spk_audio"].startswith("data:audio/ogg;base64,")
    assert client.post(path, json=example).status_code == 200
