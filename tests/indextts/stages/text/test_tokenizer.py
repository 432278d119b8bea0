from __future__ import annotations

from pathlib import Path

import pytest

from indextts.errors import ModelFileError
from indextts.stages.text import Tokenizer
from indextts.stages.text.tokenizer import UNKNOWN_ID, space_cjk
from tests.indextts.goldens import needs_goldens
from tests.indextts.stages.text.conftest import train
from tests.indextts.stages.text.golden_cases import BPE_MODEL, cases


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("你好world,  again", "你 好 WORLD,  AGAIN"),
        ("  a b  ", "A B"),
        ("テスト안녕", "テ ス ト 안 녕"),
        ("𠀀x", "𠀀 X"),
        ("straße", "STRASSE"),
        ("", ""),
    ],
)
def test_space_cjk(text: str, spaced: str) -> None:
    assert space_cjk(text) == spaced


def test_pieces_and_ids(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.tokenize("hello 你好")
    assert "".join(pieces).replace("▁", " ") == " HELLO 你 好"
    assert all(2 < number < tokenizer.size for number in tokenizer.ids(pieces))
    assert tokenizer.tokenize("") == []
    assert tokenizer.ids([]) == []


def test_unknown(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.tokenize("你😀😀好😀你Ω")
    assert tokenizer.unknown(pieces) == ["😀😀", "😀", "Ω"]
    assert tokenizer.ids(["😀"]) == [UNKNOWN_ID]


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"bpe\.model: is missing\. Fetch it with"):
        Tokenizer(tmp_path / "bpe.model")


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 8])
def test_damaged_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bpe.model"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="Fetch it with"):
        Tokenizer(path)


def test_foreign_model(tmp_path: Path) -> None:
    path = train(tmp_path, unk_id=0, bos_id=1, eos_id=2)
    with pytest.raises(ModelFileError, match="vocabulary of another model"):
        Tokenizer(path)


@needs_goldens
def test_goldens() -> None:
    tokenizer = Tokenizer(BPE_MODEL)
    assert tokenizer.size == 12000
    for case in cases():
        if len(case["input"].strip()) == 1:
            pieces = tokenizer.tokenize_raw(case["input"])
        else:
            assert space_cjk(case["normalized"]) == case["cjk"]
            pieces = tokenizer.tokenize(case["normalized"])
        assert pieces == case["tokens"]
        assert tokenizer.ids(pieces) == case["ids"]
