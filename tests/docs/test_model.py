"""docs/model: every citation of a section finds its heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "model"
NUMBER = r"\d+(?:\.\d+)*"
# "gpt.md 4.4", "audio.md 3 and 4", "text.md 1.1, 1.3, 1.4"
IN_CODE = re.compile(rf"\b([a-z_0-9]+\.md)\s+({NUMBER}(?:(?:, | and ){NUMBER})*)")
# "`gpt.md §2.2`", "`text.md` §3"
IN_PAGES = re.compile(rf"\b([a-z_0-9]+\.md)`? §({NUMBER})")


def headings(page: str) -> set[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return set(re.findall(rf"^#+ ({NUMBER})\.? ", text, flags=re.M))


def sources() -> Iterator[tuple[Path, str]]:
    for folder in ("indextts", "training"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, path.read_text(encoding="utf-8")


def missing(citations: list[tuple[Path, str, str]]) -> list[str]:
    known = {page.name: headings(page.name) for page in PAGES.glob("*.md")}
    return [
        f"{path.relative_to(ROOT)}: {page} {number}"
        for path, page, number in citations
        if number not in known.get(page, set())
    ]


def test_the_code_cites_sections_that_exist() -> None:
    citations = [
        (path, page, number)
        for path, text in sources()
        for page, numbers in IN_CODE.findall(text)
        for number in re.findall(NUMBER, numbers)
    ]
    assert len(citations) > 80
    assert missing(citations) == []


def test_the_code_names_pages_that_exist() -> None:
    """Bare names are of the specification; others say where they are."""
    pattern = r"(?:docs/)?\b[a-z_0-9]+\.md\b"
    named = {page for _, text in sources() for page in re.findall(pattern, text)}
    assert any(page.startswith("docs/") for page in named)
    missing = {
        page
        for page in named
        if not (ROOT / page if page.startswith("docs/") else PAGES / page).is_file()
    }
    assert missing == set()


def test_the_pages_cite_sections_that_exist() -> None:
    citations = [
        (path, page, number)
        for path in sorted(PAGES.glob("*.md"))
        for page, number in IN_PAGES.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(citations) > 20
    assert missing(citations) == []


def test_the_pages_are_listed() -> None:
    listed = re.findall(r"^\| \[(\S+)\]\(\1\)", (PAGES / "README.md").read_text(), flags=re.M)
    assert sorted(listed) == sorted({page.name for page in PAGES.glob("*.md")} - {"README.md"})
