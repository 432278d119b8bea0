from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indextts.config import SegmentationConfig
from indextts.errors import ConfigError
from indextts.stages.text.natural import NaturalReader
from indextts.stages.text.segmentation import Segmenter
from tests.indextts.stages.text.natural.conftest import never


@pytest.fixture(scope="module")
def reader() -> NaturalReader:
    from indextts.stages.text.characters import CharacterFolder
    from indextts.stages.text.glossary import Glossary

    return NaturalReader(CharacterFolder({}), Glossary())


def size(text: str) -> int:
    """Words, marks and Chinese characters."""
    return len(re.findall(r"[A-Za-z'-]+|[^ A-Za-z'-]", text))


def cut(
    reader: NaturalReader,
    text: str,
    max_tokens: int,
    quick: int = 0,
    config: SegmentationConfig | None = None,
) -> list[str]:
    segmenter = Segmenter(size, config or SegmentationConfig())
    spans = reader.read(text, never)
    return [segment.text for segment in segmenter.split(spans, max_tokens, quick, never)]


@pytest.mark.parametrize(
    ("text", "max_tokens", "segments"),
    [
        ("One two. Three four. Five.", 100, ["One two. Three four. Five."]),
        ("One two. Three four. Five.", 6, ["One two. Three four.", "Five."]),
        ("One two. Three four. Five.", 5, ["One two.", "Three four. Five."]),
        ("First one, then two, then three.", 6, ["First one, then two,", "then three."]),
        ("one two three four five", 2, ["one two", "three four", "five"]),
        ("今天很好，明天也很好。走吧！", 6, ["今天很好,", "明天也很好.", "走吧!"]),
        ("天地玄黄宇宙洪荒", 3, ["天地玄", "黄宇宙", "洪荒"]),
        # Neither numbers nor abbreviations nor addresses end a sentence.
        (
            "Dr. Lee paid $1,234.50 to x.com. Ok.",
            13,
            [
                "Doctor Lee paid",
                "one thousand two hundred and thirty four dollars and fifty cents to",
                "x dot com. Ok.",
            ],
        ),
        ("It is 3.14 now. Ok then.", 8, ["It is three point one four now.", "Ok then."]),
        ("电话010-8888，好。", 11, ["电话零幺零,八八八八,", "好."]),
    ],
)
def test_examples(reader: NaturalReader, text: str, max_tokens: int, segments: list[str]) -> None:
    assert cut(reader, text, max_tokens) == segments


def test_a_quote_that_fits_stays_whole(reader: NaturalReader) -> None:
    text = "He left. 'Stop. Wait. Please.' she said. Then he ran."
    assert cut(reader, text, 10) == ["He left.", "'Stop. Wait. Please.' she said.", "Then he ran."]


def test_a_quote_that_is_too_long_is_cut_at_its_sentences(reader: NaturalReader) -> None:
    text = "He said: 'One two three. Four five six. Seven eight nine.'"
    parts = cut(reader, text, 6)
    assert len(parts) > 2
    assert all(size(part) <= 6 for part in parts)


def test_the_first_segments_are_short(reader: NaturalReader) -> None:
    text = "One two three. " * 20
    assert [size(part) for part in cut(reader, text, 32, quick=5)] == [4, 8, 20, 32, 16]
    assert size(cut(reader, "one two three, four five six, seven eight.", 32, quick=4)[0]) == 4


def test_a_first_clause_beyond_the_quick_bound_stays_whole(reader: NaturalReader) -> None:
    parts = cut(reader, "one two three four five six, seven. Eight.", 32, quick=3)
    assert parts[0] == "one two three four five six,"


EVERY = SegmentationConfig(every_sentence=True, max_tokens=8, closing_mark=True)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("Hello world", ["Hello world."]),
        ("Hi! Who? Me…", ["Hi!", "Who?", "Me."]),
        ("He said: 'Go. Now.'", ["He said, 'Go.", "Now.'"]),
        ("“好。” 他说走", ["'好.'他说走."]),
        (
            "the first clause goes here, the second one there",
            ["the first clause goes here.", "the second one there."],
        ),
    ],
)
def test_what_a_checkpoint_asks_for(reader: NaturalReader, text: str, segments: list[str]) -> None:
    assert cut(reader, text, 100, config=EVERY) == segments


def test_the_request_may_ask_for_less_than_the_checkpoint(reader: NaturalReader) -> None:
    parts = cut(reader, "one two three four five six", 4, config=EVERY)
    assert parts == ["one two three.", "four five six."]


def test_a_limit_of_the_checkpoint_needs_room() -> None:
    with pytest.raises(ConfigError, match="at least 4"):
        SegmentationConfig(max_tokens=3)


WORDS = tuple(re.findall(r"\S+", "one two, 3 4.5 you. he! 你 好。 A4 'go 'on.' ( ) $5 x.com"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
    st.integers(4, 20),
    st.integers(0, 12),
    st.sampled_from([SegmentationConfig(), EVERY]),
)
def test_bounds_and_nothing_is_lost(
    reader: NaturalReader, text: str, max_tokens: int, quick: int, config: SegmentationConfig
) -> None:
    spans = reader.read(text, never)
    segments = Segmenter(size, config).split(spans, max_tokens, quick, never)
    assert all(size(segment.text) <= max_tokens for segment in segments)
    letters = "".join(c for segment in segments for c in segment.text if c.isalnum())
    assert letters == "".join(c for span in spans for c in span.text if c.isalnum())
    places = [place for segment in segments for place in (segment.begin, segment.end)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("front", "reading", "limit"),
    [
        ("It costs", "$987,654,321,987,654.32", 8),
        ("See", "https://example.com/a?b=c&d=e#f", 6),
        ("Call", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", 7),
        ("Pay", "$1,000,000,000,001", 3),
    ],
)
def test_each_part_of_a_long_reading_stands_for_all_of_it(
    reader: NaturalReader, front: str, reading: str, limit: int
) -> None:
    text = f"{front} {reading} now."
    spans = reader.read(text, never)
    segments = Segmenter(size, SegmentationConfig()).split(spans, limit, 0, never)
    written = [text[segment.begin : segment.end].strip() for segment in segments]
    assert sum(reading in part for part in written) > 1
    # None is without words, and none has half of the reading.
    assert all(reading in part or part in (front, "now.") for part in written), written


@pytest.mark.parametrize(
    ("text", "limit", "first"),
    [
        ("It costs €1,234.56 today.", 9, "It costs one thousand two hundred"),
        ("It is $12,345.67.", 8, "It is twelve thousand three hundred"),
    ],
)
def test_a_long_number_is_cut_in_front_of_an_and(
    reader: NaturalReader, text: str, limit: int, first: str
) -> None:
    segments = cut(reader, text, limit)
    assert segments[0] == first
    assert not any(segment.endswith(" and") for segment in segments)
