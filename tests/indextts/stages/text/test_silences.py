"""Pauses that a text asks for (stages/text/silences.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indextts.config import SegmentationConfig
from indextts.errors import TextError
from indextts.request import Normalization
from indextts.stages.text import FrontEndResult, TextFrontEnd, load_text_front_end
from indextts.stages.text.silences import BLANK_LINE_MS, MAX_SILENCE_MS, mark_silences
from tests.indextts.stages.text.conftest import BPE_NAME

INTERVAL = 200


@pytest.fixture(scope="module")
def front_end(model_dir: Path) -> TextFrontEnd:
    return load_text_front_end(model_dir / BPE_NAME)


@pytest.fixture(scope="module")
def cutting(model_dir: Path) -> TextFrontEnd:
    """Of a model that has heard single sentences only."""
    segmentation = SegmentationConfig(every_sentence=True, closing_mark=True)
    return load_text_front_end(model_dir / BPE_NAME, segmentation=segmentation)


def heard(result: FrontEndResult) -> list[str | int]:
    """Words and silences, in turn, without silences of no length at the ends."""
    first, *others = result.silences(INTERVAL)
    items: list[str | int] = [first] if first else []
    for segment, silence in zip(result.segments, others, strict=True):
        items += (segment.spoken_text, silence)
    return items if items[-1] else items[:-1]


MARKS = [
    ("[pause 500ms]", 500),
    ("[pause 0.5s]", 500),
    ("[Pause 2 s]", 2000),
    ("[ pause: 250 ms ]", 250),
    ("[pause=1s]", 1000),
    ("[pause .25s]", 250),
    ("[PAUSE 3.S]", 3000),
    ("［pause 1s］", 1000),
    ("[pause 0ms]", 0),
    ("[pause 10s]", 10_000),
    ("[pause 0.3333s]", 333),
    ("[pause 10000.0ms]", 10_000),
    ('<break time="0.5s"/>', 500),
    ('<break time="500ms"/>', 500),
    ("<break time='1s' />", 1000),
    ('<BREAK strength="strong" time = " 750ms " >', 750),
    ('<break time="2s"></break>', 2000),
]


@pytest.mark.parametrize(("mark", "length"), MARKS)
@pytest.mark.parametrize("reader", ["natural", "reference", "off"])
def test_a_mark_is_silence_of_its_length(
    front_end: TextFrontEnd, mark: str, length: int, reader: Normalization
) -> None:
    for text in (f"hello{mark}world", f"hello {mark} world", f"hello\n{mark}\nworld"):
        result = front_end.segments(text, normalization=reader)
        assert result.silences(INTERVAL) == (0, length, 0)
        words = [segment.spoken_text.lower().rstrip(".,") for segment in result.segments]
        assert words == ["hello", "world"]
        assert result.doubtful == ()


@pytest.mark.parametrize(
    "mark",
    [
        "[pause]",
        "[pause 500]",
        "[pause 5m]",
        "[pause -1s]",
        "[pause 1,5s]",
        "[pause 1e3ms]",
        "[pause 1s 2s]",
        "<break>",
        "<break/>",
        '<break strength="strong"/>',
        '<break time="5"/>',
        "<break time=500ms/>",
        '<break xtime="5s"/>',
    ],
)
def test_what_only_looks_like_a_mark_is_text_and_reported(
    front_end: TextFrontEnd, mark: str
) -> None:
    result = front_end.segments(f"hello {mark} world")
    assert result.silences(INTERVAL) == (0, 0)
    assert result.doubtful == (mark,)
    assert result.warnings()[-1].startswith(f"{mark} is not understood as a pause; write [pause")
    plain = front_end.segments(f"hello {mark} world", pauses=False)
    assert plain.segments == result.segments
    assert plain.doubtful == ()


@pytest.mark.parametrize(
    "text",
    [
        "[pauses 2]",
        "[pause menu]",
        "[pause 2](hello.html) world",
        "pause 500ms",
        "(pause 500ms)",
        "[unpause 5s]",
        "<breakfast 8>",
        "[pause\n5s]",
        "5 < 6 break > 4",
    ],
)
def test_other_texts_are_left_alone(front_end: TextFrontEnd, text: str) -> None:
    assert front_end.segments(text) == front_end.segments(text, pauses=False)


def test_too_long_a_pause_is_refused(front_end: TextFrontEnd) -> None:
    for mark in ("[pause 10.001s]", "[pause 999999999999999999s]", '<break time="10001ms"/>'):
        with pytest.raises(
            TextError, match=r"A pause may last 10 s at most, not as long as .*10|9"
        ):
            front_end.segments(f"hello {mark}")
        assert front_end.segments(f"hello {mark}", pauses=False).silences(0)[-1] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[pause 1s]hello", [1000, "hello"]),
        ("hello [pause 1s]", ["hello", 1000]),
        ("[pause 1s][pause 500ms] hello", [1500, "hello"]),
        ("hello [pause 1s]\n[pause 1s], [pause 1s] world", ["hello", 3000, "world"]),
        ("hello, [pause 1s] world", ["hello,", 1000, "world"]),
        ("hello? [pause 0s] world", ["hello?", 0, "world"]),
        ("hello\n\nworld", ["hello.", BLANK_LINE_MS, "world"]),
        ("hello.\r\n\r\n  \t\r\nworld", ["hello.", BLANK_LINE_MS, "world"]),
        ("hello\n\n\n\n\n[pause 20ms]\n\nworld", ["hello.", 20, "world"]),
        ("hello\n\n---\n\nworld", ["hello.", BLANK_LINE_MS, "world"]),
        ("hello\n\n😀\n\n* * *\n\nworld", ["hello.", BLANK_LINE_MS, "world"]),
        ("hello [pause 1s] ... [pause 1s] world", ["hello", 2000, "world"]),
        ("\n\n\nhello\n\n", ["hello."]),
        ("\n\n[pause 1s]\n\nhello", [1000, "hello"]),
        ("hello\nworld", ["hello world"]),
        ("# hello\n\n- one\n- two\n\nfox", ["hello.", 500, "one. two.", 500, "fox"]),
        ("你好[pause 1s]5个，[pause 1s]6", ["你好", 1000, "五个,", 1000, "六"]),
        ("one fox [pause 1s] 6", ["one fox", 1000, "six"]),
        ("5 [pause 1s] 6 dogs", ["five", 1000, "six dogs"]),
        ('the fox: "[pause 1s] hello."', ["the fox,", 1000, "hello.'"]),
    ],
)
def test_where_silences_are(front_end: TextFrontEnd, text: str, expected: list[str | int]) -> None:
    assert heard(front_end.segments(text)) == expected


def test_segments_end_at_silences_and_nowhere_else(cutting: TextFrontEnd) -> None:
    text = "hello. the fox [pause 1s] jumps. [pause 0s] hello\n\nworld"
    assert heard(cutting.segments(text)) == [
        *("hello.", INTERVAL, "the fox.", 1000, "jumps.", 0, "hello.", BLANK_LINE_MS, "world."),
    ]


def test_the_length_of_a_blank_line_is_the_callers(front_end: TextFrontEnd) -> None:
    text = "hello\n\nworld[pause 1s]fox"
    assert front_end.segments(text, blank_line=700).silences(0) == (0, 700, 1000, 0)


def test_off_for_those_who_want_the_text_as_it_is(front_end: TextFrontEnd) -> None:
    result = front_end.segments("hello [pause 500ms]\n\nworld", pauses=False)
    (segment,) = result.segments
    assert "pause five hundred" in segment.spoken_text
    assert result.silences(INTERVAL) == (0, 0)


@pytest.mark.parametrize("text", ["[pause 1s]", "\n\n[pause 1s]\n\n", '<break time="1s"/> . 😀'])
@pytest.mark.parametrize("reader", ["natural", "reference", "off"])
def test_silence_alone_is_no_text(
    front_end: TextFrontEnd, text: str, reader: Normalization
) -> None:
    with pytest.raises(TextError, match="nothing in it that can be spoken"):
        front_end.segments(text, normalization=reader)


def test_the_reference_knows_marks_and_no_blank_lines(front_end: TextFrontEnd) -> None:
    reference: Normalization = "reference"
    text = "hello world.\n\nhow are you? 5"
    assert front_end.segments(text, normalization=reference) == front_end.segments(
        text, normalization=reference, pauses=False
    )
    # The whole text decides the language, as ever.
    english = front_end.segments("the fox [pause 1s] 6", normalization=reference)
    chinese = front_end.segments("你好 [pause 1s] 6", normalization=reference)
    assert heard(english) == ["THE FOX", 1000, "SIX"]
    assert heard(chinese) == ["你好", 1000, "六"]
    # One character is read as it stands only where it is the text.
    assert heard(front_end.segments("好[pause 1s]5", normalization=reference)) == ["好", 1000, "五"]


def test_segments_know_their_source(front_end: TextFrontEnd) -> None:
    text = "[pause 1s] hello world [pause 20ms]\n\n一 二 [pause 1s]"
    sources = [segment.source for segment in front_end.segments(text).segments]
    assert [text[slice(*source)].strip() for source in sources if source] == [
        "hello world",
        "一 二",
    ]


def test_characters_of_our_own_mean_nothing_in_a_text(front_end: TextFrontEnd) -> None:
    text = "".join(f"hello {chr(0xF0000 + n)} world" for n in (0, 500, MAX_SILENCE_MS + 1))
    for pauses in (True, False):
        result = front_end.segments(text, pauses=pauses)
        assert result.silences(INTERVAL) == (0, 0)
        assert result.unknown == ()
    assert mark_silences(text).tracked.text == "hello  world" * 3


def test_the_first_segments_stay_short_over_silences(front_end: TextFrontEnd) -> None:
    paragraph = "hello world. how are you? " * 8
    sizes = {
        quick: [
            len(segment.pieces)
            for segment in front_end.segments(
                f"hello world. [pause 1s] {paragraph}", quick_tokens=quick
            ).segments
        ]
        for quick in (0, 10)
    }
    assert max(sizes[0]) > 40
    assert sizes[10][1] <= 20
    assert sizes[10][2] <= 40


WORDS = st.sampled_from(["hello", "world", "the fox", "你好", "one. two."])
ASKED = st.integers(0, MAX_SILENCE_MS).map(lambda n: (f"[pause {n}ms]", n)) | st.integers(
    0, MAX_SILENCE_MS
).map(lambda n: (f'<break time="{n / 1000:.3f}s"/>', n))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(WORDS, st.lists(ASKED, min_size=1, max_size=3)), min_size=1, max_size=5),
    st.lists(ASKED, max_size=2),
    st.sampled_from(["natural", "reference", "off"]),
)
def test_every_silence_is_as_long_as_asked(
    front_end: TextFrontEnd,
    parts: list[tuple[str, list[tuple[str, int]]]],
    lead: list[tuple[str, int]],
    reader: Normalization,
) -> None:
    text = "".join(mark for mark, _ in lead)
    text += "".join(f"{words} {' '.join(mark for mark, _ in marks)}" for words, marks in parts)
    result = front_end.segments(text, normalization=reader)
    asked = [sum(n for _, n in lead), *(sum(n for _, n in marks) for _, marks in parts)]
    assert list(result.silences(INTERVAL)) == asked


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["[", "pause", " ", "1", "s]", "ms", "<break", ' time="1s"', "/>", "\n", "\r", "a"]
        ),
        max_size=20,
    ).map("".join)
)
def test_no_text_is_too_much(front_end: TextFrontEnd, text: str) -> None:
    for reader in ("natural", "reference", "off"):
        try:
            result = front_end.segments(text, normalization=reader)
        except TextError:
            continue
        lines = text.count("\n") + text.count("\r")
        assert sum(result.silences(0)) <= 1000 * text.count("s") + 500 * lines


@pytest.mark.parametrize(
    "unit",
    ["[pause ", "<break ", "\n ", "\r\n", "\r", "[pause 1s]", "a[pause 1ms]", "<break time="],
)
def test_work_is_linear_in_the_text(unit: str) -> None:
    """A pattern that ran away would not come back from this."""
    marked = mark_silences(unit * (200_000 // len(unit)))
    assert len(marked.tracked.text) <= 200_000
