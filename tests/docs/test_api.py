"""docs/api.md and the pages that repeat it: errors, fields and formats are those of the code."""

from __future__ import annotations

import re

import pytest

from app.clips.containers import SUPPORTED
from app.routes.schemas import StreamRequest, TTSRequest
from app.web.errors import HTTP_ERRORS, inference_failed
from tests.deploy.tools import ROOT

# Where the code of an error stands in the source.
CODES = (
    r'ApiError\(\s*\d{3},\s*"(\w+)"',
    r'(?:too_busy|inference_failed)\("(\w+)"',
    r'HTTP_ERRORS\.get\(status, \("(\w+)"',
    r'\(\S+, \d{3}, "(\w+)", "',  # of Gunicorn
    r'NginxError\(\d{3}, "(\w+)"',
)
# It has a sentence of its own below the table.
UNLISTED = {"string_above_max_length"}


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text_of("docs/api.md"), re.M | re.S
    )
    assert found is not None, title
    return found[1]


def codes_of_the_source() -> set[str]:
    paths = [*(ROOT / "app").rglob("*.py"), ROOT / "nginx" / "render.py"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    found = {code for pattern in CODES for code in re.findall(pattern, source)}
    found |= {f"{what}_full" for what in re.findall(r'\bPlaces\(\s*"(\w+)"', source)}
    return found | {code for code, _ in HTTP_ERRORS.values()} | {inference_failed().code}


def test_the_table_of_errors_has_every_code_and_no_other() -> None:
    errors = section("Errors")
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+) \|", errors, re.M)
    listed = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    (of_nginx,) = re.findall(r"^By itself Nginx answers (.*?\.)$", errors, re.M | re.S)
    listed |= set(re.findall(r"`(\w+)`", of_nginx))
    codes = codes_of_the_source()
    assert codes >= UNLISTED | {"invalid_audio", "streams_full", "uri_too_long", "no_instance"}
    assert listed - {"error"} == codes - UNLISTED


def test_it_says_what_a_stream_does_not_take() -> None:
    missing = set(TTSRequest(9).fields) - set(StreamRequest(9).fields)
    assert missing
    pages = {
        "docs/api.md": r"The same body without (.*?), and",
        "README.md": r"takes the same fields, except for (.*?), and",
        "README.zh.md": r"接受同样的字段（(.*?) 除外）",
    }
    for page, pattern in pages.items():
        (named,) = re.findall(pattern, text_of(page))
        assert set(re.findall(r"`(\w+)`", named)) == missing, page


@pytest.mark.parametrize("page", ["README.md", "README.zh.md", "docs/api.md", "docs/voices.md"])
def test_every_format_of_clips_is_listed(page: str) -> None:
    formats = re.findall(r"\w+", re.sub(r"\(.*?\)| and ", " ", SUPPORTED))
    assert {"WAV", "M4A", "WebM"} <= set(formats)
    text = text_of(page)
    listed = text[text.index("AIFF") - 100 : text.index("AIFF") + 100].lower()
    for name in formats:
        assert name.lower() in listed, name
