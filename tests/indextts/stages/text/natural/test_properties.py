"""What holds for any text."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indextts.errors import CancelledError
from indextts.stages.text.natural import NaturalReader
from indextts.stages.text.segmentation import spoken_text
from tests.indextts.stages.text.natural.conftest import Say, never
from tests.indextts.stages.text.readings import TABLES, readings


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# What the rules look for, in short pieces, so that they meet.
_PIECES = (
    *_listed(
        "0 1 2 5 12 100 007 1999 2024 3.5 1,234 % $ € ¥ - – — − + × ÷ = / : . , ; ! ? ' \" ( )"
    ),
    *_listed(
        "[ ] < > & @ # * _ km kg °C am p.m. Jan Sat No. Dr. St. etc. U.S. it's the and VIII II"
    ),
    *_listed("A4 v2 GPT x.com a@b.io http://x.org 你 好 年 月 日 点 元 个 第 到 电话 比分 万 亿"),
    *_listed("这 後 hang2 ni3hao3 。 ， ！ ？ “ ” 《 》 … · ～ ① ½ ㎡ 😀 é"),
    *(" ", "  ", "\n", "\n\n", "- ", "# ", "1. ", "| ", "\u200b", "\u202e", "\t"),
)
MEETING = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)
ANY = st.text(max_size=60) | MEETING


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_spans_tile_the_source(reader: NaturalReader, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    spans = reader.read(text, never)
    end = 0
    for span in spans:
        assert end <= span.begin <= span.end <= len(text)
        end = span.end


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_length_is_bounded(say: Say, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert len(say(text)) <= 40 * len(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(" ".join))
def test_no_digit_and_no_sign_is_left(say: Say, text: str) -> None:
    spoken = re.sub(r"[A-Z]+[1-5]", "", say(text))  # pinyin
    assert not re.search(r"[^A-Za-z\u3400-\u9fff ,.!?…'-]", spoken), spoken


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(string.ascii_lowercase, min_size=2, max_size=8), min_size=1, max_size=12))
def test_small_words_stay_as_they_are(say: Say, words: list[str]) -> None:
    words = [word for word in words if word not in ("vs", "aka")]
    assert say(" ".join(words)).split() == words


@settings(max_examples=300, deadline=None)
@given(st.text("天地玄黄宇宙洪荒日月盈昃", min_size=1, max_size=30))
def test_chinese_stays_as_it_is(say: Say, text: str) -> None:
    assert say(text) == text


@settings(max_examples=300, deadline=None)
@given(MEETING)
def test_every_word_and_number_is_covered(reader: NaturalReader, text: str) -> None:
    """Outside of markup, whose targets are not spoken, and of signs that become several."""
    if re.search(r"[<\[&#|①½]", text):
        return
    covered = bytearray(len(text))
    for span in reader.read(text, never):
        if any(map(str.isalnum, span.text)):
            end = max(span.end, span.begin + 1)  # where one sign became several words
            covered[span.begin : end] = b"\x01" * (end - span.begin)
    left = [c for c, mark in zip(text, covered, strict=True) if c.isalnum() and not mark]
    assert left == []


@pytest.mark.parametrize("table", TABLES)
def test_spoken_text_is_read_as_it_is(say: Say, table: str) -> None:
    spoken = [s for rows in readings(table).values() for _, s in rows]
    again = {text: say(text) for text in spoken}
    assert again == {text: text for text in spoken}


def test_the_check_ends_the_work(reader: NaturalReader) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 50:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        reader.read("One, two. 三，四。" * 1000, check)
    assert calls == 51


def test_joined_spans_give_the_text(reader: NaturalReader) -> None:
    assert spoken_text(reader.read("A4 costs $5, ok?", never)) == "A four costs five dollars, ok?"
