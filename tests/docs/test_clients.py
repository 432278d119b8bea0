"""docs/clients.md and examples/README.md: what they name is there."""

from __future__ import annotations

import ast
import re

import pytest

from app.settings.source import fields
from tests.deploy.tools import ROOT

PAGES = ("docs/clients.md", "examples/README.md")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.M)
            anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
            assert anchor in anchors, link


def test_settings_exist() -> None:
    known = {f"INDEXTTS_{name.upper()}" for name, _, _ in fields()}
    assert set(re.findall(r"\bINDEXTTS_[A-Z_]+[A-Z]", text_of("docs/clients.md"))) <= known


def test_python_can_be_read() -> None:
    for program in re.findall(r"^```python\n(.*?)^```$", text_of("docs/clients.md"), re.M | re.S):
        ast.parse(program)


def test_every_recorded_client_is_listed() -> None:
    text = text_of("docs/clients.md")
    assert "tests/app/gunicorn/recorded" in text
    recorded = {path.stem for path in (ROOT / "tests/app/gunicorn/recorded").glob("*.http")}
    told = text_of("tests/app/gunicorn/recorded/README.md")
    for name in recorded:
        assert name in told or f"{name.split('_')[0]}_*" in told, name
