from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indextts.errors import ConfigError, ModelFileError, TextError
from indextts.request import Normalization
from indextts.stages.text import (
    Segment,
    TextFrontEnd,
    TextNormalizer,
    Tokenizer,
    load_text_front_end,
)
from indextts.stages.text.chunks import english_clauses
from tests.indextts.goldens import needs_goldens
from tests.indextts.stages.text.conftest import BPE_NAME
from tests.indextts.stages.text.golden_cases import BPE_MODEL, cases


@pytest.fixture(scope="module")
def front_end(model_dir: Path) -> TextFrontEnd:
    return load_text_front_end(model_dir / BPE_NAME)


def test_segments(front_end: TextFrontEnd, tokenizer: Tokenizer) -> None:
    result = front_end.segments("Hello world. 你好😀, 5д!", max_tokens=40)
    assert [segment.text for segment in result.segments] == ["HELLO WORLD. 你 好 , 五 !"]
    assert [segment.spoken_text for segment in result.segments] == ["Hello world. 你好,五!"]
    assert [segment.source for segment in result.segments] == [(0, 21)]
    assert result.unknown == ("д",)
    for segment in result.segments:
        assert list(segment.ids) == tokenizer.ids(segment.pieces)


@pytest.mark.parametrize(
    "word",
    [
        "Привет",
        "καλημερα",
        "Ωμέγα",
        "مرحبا",
        "שלום",
        "こんにちは",
        "カタカナ",
        "안녕하세요",
        "สวัสดี",
        "हिन्दी",
    ],
)
@pytest.mark.parametrize("reader", ["natural", "off"])
def test_other_scripts_are_lost_aloud(
    front_end: TextFrontEnd, word: str, reader: Normalization
) -> None:
    result = front_end.segments(f"hello {word} world", normalization=reader)
    assert [segment.spoken_text for segment in result.segments] == ["hello world"]
    assert result.unknown == tuple(dict.fromkeys(c for c in word if c.isalnum()))
    assert result.warnings()[0].startswith("characters that the model does not know: " + word[0])


def test_a_greek_letter_is_a_symbol(front_end: TextFrontEnd) -> None:
    (segment,) = front_end.segments("hello α and Δx").segments
    assert segment.spoken_text == "hello alpha and delta x"


def test_short_segments_make_up_the_text(front_end: TextFrontEnd) -> None:
    text = "今天天气很好，你好世界。" * 10
    whole = front_end.segments(text, max_tokens=1000).segments
    parts = front_end.segments(text, max_tokens=20).segments
    assert len(whole) == 1
    assert len(parts) > 5
    assert sum((part.pieces for part in parts), ()) == whole[0].pieces
    assert max(len(part.pieces) for part in parts) <= 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "...",
        "。，！？",
        "“”",
        "😀",
        "😀😀 !",
        "!",
        "\ud800",
        "\x00\x01",
        "\u200b\u202e",
    ],
)
def test_nothing_to_speak(front_end: TextFrontEnd, text: str) -> None:
    with pytest.raises(TextError, match="nothing in it that can be spoken"):
        front_end.segments(text)


@pytest.mark.parametrize(("text", "spoken"), [("好", "好"), ("5", "五"), (" a ", "A")])
def test_single_characters(front_end: TextFrontEnd, text: str, spoken: str) -> None:
    assert [segment.text for segment in front_end.segments(text).segments] == [spoken]


def test_half_surrogates_are_left_out(front_end: TextFrontEnd) -> None:
    assert front_end.segments("你\ud800好\udfff") == front_end.segments("你好")


class ReservedTokenizer(Tokenizer):
    """Gives the ids that the model keeps for itself."""

    def tokenize(self, text: str) -> list[str]:
        return ["<s>", *super().tokenize(text), "</s>"]


def test_reserved_ids_are_taken_off(front_end: TextFrontEnd, model_dir: Path) -> None:
    reserved = TextFrontEnd(front_end._readers, ReservedTokenizer(model_dir / BPE_NAME))
    assert reserved.segments("hello") == front_end.segments("hello")


def test_glossary_of_the_model_directory(model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / BPE_NAME).write_bytes((model_dir / BPE_NAME).read_bytes())
    (tmp_path / "glossary.yaml").write_text("fox: dog\n", encoding="utf-8")
    front_end = load_text_front_end(tmp_path / BPE_NAME, glossary=tmp_path / "glossary.yaml")
    result = front_end.segments("the fox")
    assert [segment.text for segment in result.segments] == ["THE DOG"]


def test_load_errors(model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is missing"):
        load_text_front_end(tmp_path / BPE_NAME)
    with pytest.raises(ConfigError, match="unknown verbalizer"):
        load_text_front_end(model_dir / BPE_NAME, verbalizer="other")


def test_threads(front_end: TextFrontEnd) -> None:
    texts = [f"Hello {n} worlds, 你好{n}个。" for n in range(30)]
    alone = [front_end.segments(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(front_end.segments, texts)) == alone


HOSTILE = [
    "我",
    "。",
    "<",
    "<a|",
    "-",
    "甲·",
    "\n",
    '"',
    "\\",
    "{",
    "1",
    "\ud800",
    "\u202eא",
    "\x00",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_texts(front_end: TextFrontEnd, unit: str) -> None:
    try:
        result = front_end.segments(unit * (1200 // len(unit)))
    except TextError:
        return
    assert all(len(segment.pieces) <= 121 for segment in result.segments)


@pytest.mark.parametrize(
    "text", ["天气很好，你好世界。" * 10_000, "好" * 100_000, " " * 100_000 + "好"]
)
def test_100k_characters(front_end: TextFrontEnd, text: str) -> None:
    result = front_end.segments(text)
    assert sum("好" in segment.text for segment in result.segments) >= 1


class CountingVerbalizer:
    """Adds up what it is asked to read, in place of measuring time."""

    def __init__(self) -> None:
        self.clauses = 0

    def zh(self, text: str, check: Callable[[], None]) -> str:
        return text

    def en(self, text: str, check: Callable[[], None]) -> str:
        self.clauses += sum(1 for _ in english_clauses(text))
        return text


@pytest.mark.parametrize("unit", ["hello-world ", "a", "a-", "<a|b", "it's 5. "])
def test_work_is_linear_in_the_text(unit: str) -> None:
    counts = []
    for length in (25_000, 100_000):
        counter = CountingVerbalizer()
        TextNormalizer(counter).normalize(unit * (length // len(unit)))
        counts.append(counter.clauses)
    assert 0 < counts[1] <= 4.2 * counts[0]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text(front_end: TextFrontEnd, text: str) -> None:
    try:
        result = front_end.segments(text, max_tokens=10)
    except TextError:
        return
    assert result.segments
    assert all(n not in (0, 1) for segment in result.segments for n in segment.ids)


@needs_goldens
def test_goldens() -> None:
    """From the text to the ids of each segment, all cases that can be spoken."""
    front_end = load_text_front_end(BPE_MODEL)
    tokenizer = Tokenizer(BPE_MODEL)
    silent = []
    for case in cases():
        try:
            result = front_end.segments(case["input"], 30, 40, "reference")
        except TextError:
            silent.append(case["input"])
            continue
        if case["input"] not in ("a", "1"):  # read like longer texts, see TextFrontEnd
            assert _pieces(result.segments) == case["segments_30_quick40"]
            unknown = "".join(tokenizer.unknown(case["tokens"])).replace("▁", "")
            assert list(result.unknown) == list(dict.fromkeys(unknown))
    assert "" in silent
    assert "😀" in silent
    # Scripts that the vocabulary lacks.
    assert [text for text in silent if any(map(str.isalnum, text))] == [
        "①②③",
        "안녕하세요",
        "Привет",
    ]


def _pieces(segments: Iterable[Segment]) -> list[list[str]]:
    return [list(segment.pieces) for segment in segments]
