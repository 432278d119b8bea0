"""indextts.stages.text.phonemes, on a lexicon of a few words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from indextts.errors import ModelFileError, TextError
from indextts.stages.text import load_text_front_end
from indextts.stages.text.phonemes import (
    PHONEME_FILE,
    PhonemeReader,
    load_lexicon,
    load_phoneme_reader,
)
from tests.training.tiny_run import LEXICON
from training.lexicon import write_lexicon
from training.vocabulary import write_vocabulary

reader = PhonemeReader(LEXICON)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("One two!", "W AH1 N | T UW1 ."),
        ("one, two? now…", "W AH1 N , T UW1 ? N AW1 ,"),
        ("two's tea's", "T UW1 Z | T IY1 Z"),
        ("'one' (two)-tea", "W AH1 N | T UW1 | T IY1"),
        ("AB", "EY1 B IY1"),
        ("town", "T OW1 W N"),
        ("toto", "T OW1 T OW0"),
        ("2", "T UW1"),
        ("你好", "N- -I2 H- -AO3"),
        ("一个。", "-I2 G- -E4 ."),
        ("不是，一", "B- -U2 SH- -IR4 , -I1"),
        ("银行", "-IN2 H- -ANG2"),
        ("行", "X- -ING2"),
        ("你 one 好", "N- -I3 W AH1 N H- -AO3"),
        ("ni3 hao3", "N- -I3 H- -AO3"),
        ("ABC1", "EY1 B IY1 | W AH1 N"),
        ("龘", "龘"),
        ("", ""),
    ],
)
def test_reads(text: str, symbols: str) -> None:
    assert reader.read(text) == symbols


def test_a_file_round_trips_and_the_same_lexicon_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.gz", tmp_path / "b.gz"
    write_lexicon(first, LEXICON)
    write_lexicon(second, LEXICON)
    assert first.read_bytes() == second.read_bytes()
    found = load_lexicon(first)
    assert found is not None
    assert vars(found) == vars(LEXICON)


def test_no_file_is_no_reader(tmp_path: Path) -> None:
    assert load_phoneme_reader(tmp_path / PHONEME_FILE) is None


@pytest.mark.parametrize(
    "content",
    [b"junk", gzip.compress(b"other\n"), gzip.compress(b"#phonemes 1\nno entry\n")],
    ids=["not gzip", "no header", "no entry"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / PHONEME_FILE
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="phonemes"):
        load_phoneme_reader(path)


def test_the_front_end_speaks_phonemes_where_the_file_is_there(tmp_path: Path) -> None:
    write_lexicon(tmp_path / PHONEME_FILE, LEXICON)
    size = write_vocabulary(tmp_path / "bpe.model", LEXICON)
    assert size == len(LEXICON.symbols()) + 3
    front_end = load_text_front_end(tmp_path / "bpe.model", tmp_path / PHONEME_FILE)
    result = front_end.segments("One two. 你好！")
    assert [s.text for s in result.segments] == ["W AH1 N | T UW1 . N- -I2 H- -AO3 ."]
    assert result.unknown == ()
    assert min(min(s.ids) for s in result.segments) > 2
    assert front_end.segments("好").segments[0].pieces == ("▁H-", "▁-AO3")
    short = front_end.segments("One two. Tea now.", max_tokens=9)
    assert [s.text for s in short.segments] == ["W AH1 N | T UW1 .", "T IY1 | N AW1 ."]
    assert front_end.segments("龘 one").unknown == ("龘",)
    with pytest.raises(TextError):
        front_end.segments("?!")
