"""The SentencePiece model over phonemes: one piece for each symbol of the lexicon."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import sentencepiece as spm

from indextts.stages.text.phonemes import WORD_BREAK, Lexicon
from indextts.stages.text.tokenizer import Tokenizer
from training.workspace import Workspace, write_atomically

MARKS = (",", ".", "?", WORD_BREAK)
_SPACE = "\u2581"
# Ids below belong to start, stop and unknown.
FIRST_ID = 3


def vocabulary_file(work: Workspace) -> Path:
    return work.root / "bpe.model"


def write_vocabulary(path: Path, lexicon: Lexicon) -> int:
    """Write the model; returns the number of pieces."""
    symbols = lexicon.symbols()
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(symbols)] * 2),
        model_writer=model,
        vocab_size=len(symbols) + FIRST_ID,
        model_type="word",
        character_coverage=1.0,
        hard_vocab_limit=False,
        bos_id=0,
        eos_id=1,
        unk_id=2,
        minloglevel=2,
    )
    write_atomically(path, model.getvalue())
    return Tokenizer(path).size


def piece_ids(tokenizer: Tokenizer, symbols: Sequence[str]) -> list[int]:
    """The id of each symbol of the lexicon."""
    return tokenizer.ids([_SPACE + symbol for symbol in symbols])


def symbol_names(tokenizer: Tokenizer, symbols: Sequence[str]) -> tuple[str, ...]:
    """The symbol of each id; empty for start, stop and unknown."""
    names = [""] * tokenizer.size
    for piece, symbol in zip(piece_ids(tokenizer, symbols), symbols, strict=True):
        names[piece] = symbol
    return tuple(names)


def spoken_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids of pieces that have a sound."""
    marks = set(piece_ids(tokenizer, MARKS))
    return frozenset(range(FIRST_ID, tokenizer.size)) - marks
