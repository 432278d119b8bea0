from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indextts.stages.text import protect

# The specification's patterns as they are written there (text.md 1.1 and 1.4).
SPEC_ANNOTATION = re.compile(r"<([^|>\n]+)\|([^>\n]+)>")
SPEC_TERM = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+")


@pytest.mark.parametrize(
    ("index", "tag"), [(0, "a"), (25, "z"), (26, "aa"), (27, "ab"), (701, "zz"), (702, "aaa")]
)
def test_letter_tag(index: int, tag: str) -> None:
    assert protect.letter_tag(index) == tag


@given(st.text(alphabet="<|>\nab", max_size=24))
def test_annotations_are_the_pattern_s(text: str) -> None:
    marked, saved = protect.protect_annotations(text)
    assert list(saved.values()) == [match[0] for match in SPEC_ANNOTATION.finditer(text)]
    assert protect.restore_annotations(marked, saved) == text


@given(st.text(alphabet="-a9B ", max_size=24))
def test_hyphens_of_terms(text: str) -> None:
    expected = text
    terms = set(SPEC_TERM.findall(text))
    for term in sorted(terms, key=len, reverse=True):
        expected = expected.replace(term, term.replace("-", "<H>"))
    assert protect.protect_hyphens(text) == (expected, bool(terms))


def test_hyphens_come_back_without_blanks() -> None:
    assert protect.restore_hyphens(" GPT <H> five <H>Nano ") == " GPT-five-Nano "
    assert protect.restore_hyphens("<H> <H>") == "--"
    assert protect.restore_hyphens(" plain ") == " plain "


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("ju4", "JV4"),
        ("xue2", "XVE2"),
        ("qun2", "QVN2"),
        ("JUAN3", "JVAN3"),
        ("jiong3", "JIONG3"),
        ("lü4", "lü4"),
        ("hao3", "hao3"),
    ],
)
def test_spell_pinyin(typed: str, spelled: str) -> None:
    assert protect.spell_pinyin(typed) == spelled


@pytest.mark.parametrize("text", ["beta1", "babala2", "MP3", "h6", "zhi0"])
def test_no_pinyin(text: str) -> None:
    assert protect.PINYIN.search(text) is None


def test_pinyin_longest_first() -> None:
    marked, saved = protect.protect_pinyin("晕xuan4又an4")
    assert marked == "晕<pinyin_a>又<pinyin_b>"
    assert protect.restore_pinyin(marked, saved) == "晕XVAN4又an4"


def test_more_than_26_syllables() -> None:
    text = "我" + "我".join(f"{c}{v}{t}" for c in "bpmd" for v in "ai" for t in "12345")
    marked, saved = protect.protect_pinyin(text)
    assert len(saved) == 40
    assert not re.search(r"[1-5]", marked)
    assert protect.restore_pinyin(marked, saved) == text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("导演克里斯托弗·诺兰", ["导演克里斯托弗·诺兰"]),
        ("甲·乙·丙·丁", ["甲·乙·丙"]),
        ("甲·乙·丙·丁·戊", ["甲·乙·丙", "丁·戊"]),
        ("没有名字", []),
        ("a·b", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    marked, saved = protect.protect_names(text)
    assert list(saved.values()) == names
    assert not any(name in marked for name in names)
    assert protect.restore_names(marked, saved) == text
