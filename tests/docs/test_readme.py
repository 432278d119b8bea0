"""README.md and README.zh.md: links, settings and code are current, and both say the same."""

from __future__ import annotations

import ast
import re

import pytest

from app.settings import Settings
from app.settings.fields import render
from app.settings.source import fields
from indextts.cli.main import main
from tests.deploy.tools import ROOT

PAGES = ("README.md", "README.zh.md")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code_of(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", text_of(page))
    assert set(PAGES) - {page} <= set(links)
    for link in links:
        path, _, anchor = link.partition("#")
        assert (ROOT / path).exists(), link
        if anchor:
            assert re.search(rf"(?im)^#+ {anchor}$", text_of(path)), link


@pytest.mark.parametrize("page", PAGES)
def test_files_of_the_commands_are_there(page: str) -> None:
    for name in re.findall(r"(?:examples/voices|models/demo)[\w/.-]*", text_of(page)):
        assert (ROOT / name.rstrip(".")).exists(), name


def test_the_settings_of_the_chinese_page_have_the_defaults_of_the_code() -> None:
    rows = re.findall(
        r"^\| `INDEXTTS_(\w+)` \| (?:`(.*?)`)? \|", text_of("README.zh.md"), flags=re.M
    )
    defaults = {name.upper(): render(getattr(Settings(), name)) for name, _, _ in fields()}
    assert len(rows) > 10
    assert dict(rows) == {name: defaults[name] for name, _ in rows}


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_are_named_exist(page: str) -> None:
    known = {f"INDEXTTS_{name.upper()}" for name, _, _ in fields()}
    assert set(re.findall(r"\bINDEXTTS_[A-Z_]+[A-Z]", text_of(page))) <= known


@pytest.mark.parametrize("page", PAGES)
def test_python_can_be_read(page: str) -> None:
    for program in code_of(page, "python"):
        ast.parse(program)


def test_both_pages_show_the_same() -> None:
    for language in ("sh", "python", "javascript", "json"):
        counts = [len(code_of(page, language)) for page in PAGES]
        # The Chinese page also shows Docker.
        assert counts[1] - counts[0] == (language == "sh"), language
    for fact in ("TORCH=cpu", "580", "WSL 2", "macOS", "HOST=0.0.0.0", "1.3 GB", "/tts/stream"):
        assert all(fact in text_of(page) for page in PAGES), fact


@pytest.mark.parametrize("page", PAGES)
def test_options_of_the_command_exist(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"\.venv/bin/indextts((?:.*\\\n)*.*)", text_of(page))
    assert len(commands) >= 5
    for command in commands:
        action = re.match(r" (download|check|read) ", command)
        with pytest.raises(SystemExit):
            main([*([action[1]] if action else []), "--help"])
        known = capsys.readouterr().out
        for option in re.findall(r" (--[a-z][\w-]*)", command):
            assert option in known, option
