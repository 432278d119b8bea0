"""A small vocabulary of our own, for tests that run without the official one."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from indextts.stages.text import Tokenizer

BPE_NAME = "bpe.model"

_SENTENCES = (
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG .",
    "HELLO WORLD , HOW ARE YOU ?",
    "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN !",
    "你 好 世 界 , 今 天 天 气 很 好 .",
    "一 二 三 四 五 六 七 八 九 十 百 千 万 零 幺 个 月 年 - '",
)


def train(folder: Path, **options: object) -> Path:
    """Train a vocabulary in `folder`."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES * 20),
        model_prefix=str(folder / "bpe"),
        model_type="bpe",
        vocab_size=110,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
        **{"bos_id": 0, "eos_id": 1, "unk_id": 2, **options},
    )
    return folder / BPE_NAME


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    train(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(model_dir: Path) -> Tokenizer:
    return Tokenizer(model_dir / BPE_NAME)
