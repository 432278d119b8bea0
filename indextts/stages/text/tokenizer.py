"""From normalised text to the pieces and ids of the vocabulary (text.md 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from indextts.errors import ModelFileError

_FETCH_HINT = "Fetch it with: indextts download --dir {folder}"

# Scripts whose characters are pieces of their own.
_CJK = (
    "[\u1100-\u11ff\u2e80-\ua4cf\ua840-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff65-\uffdc"
    "\U00020000-\U0002ffff]"
)
_CJK_RUN = re.compile(f"({_CJK}+)")
# The blanks that space_cjk sets.
CJK_BLANKS = re.compile(f" (?={_CJK})|(?<={_CJK}) ")
_SPECIAL_PIECES = ("<s>", "</s>", "<unk>")
UNKNOWN_ID = 2
# Start and stop of the model's text sequence; it sets them itself (gpt.md 3).
RESERVED_PIECES = frozenset(_SPECIAL_PIECES[:2])


def space_cjk(text: str) -> str:
    """One blank around each CJK character, everything else in upper case."""
    parts = _CJK_RUN.split(text)
    # Every other one is a run of CJK characters, among which is a blank.
    parts[1::2] = (" ".join("".join(run.split())) for run in parts[1::2])
    return " ".join(filter(None, map(str.strip, parts))).upper()


class Tokenizer:
    """The SentencePiece model of the checkpoint; read-only, so threads may share it."""

    def __init__(self, model_path: Path) -> None:
        """
        Raises:
            ModelFileError: missing, unreadable, or the vocabulary of another model.
        """
        from sentencepiece import SentencePieceProcessor

        hint = _FETCH_HINT.format(folder=model_path.parent)
        if not model_path.is_file():
            raise ModelFileError(model_path, "is missing.", hint)
        try:
            self._model = SentencePieceProcessor(model_file=str(model_path))
        except (RuntimeError, OSError) as error:
            raise ModelFileError(
                model_path, f"is not a SentencePiece model ({error}).", hint
            ) from error
        size = int(self._model.get_piece_size())
        first = tuple(self._model.id_to_piece(i) for i in range(min(size, len(_SPECIAL_PIECES))))
        if first != _SPECIAL_PIECES:
            raise ModelFileError(
                model_path,
                f"is the vocabulary of another model: it begins with {first}, not with "
                f"{_SPECIAL_PIECES}.",
                hint,
            )
        self.size = size

    def tokenize(self, text: str) -> list[str]:
        """Pieces of a normalised text; no begin and end marks.  Empty text gives none."""
        return self.tokenize_raw(space_cjk(text))

    def tokenize_raw(self, text: str) -> list[str]:
        """Pieces of a text as it is.

        This is how a request of a single character is read (text.md 2, step 1); small letters and
        digits are no pieces.
        """
        return list(self._model.encode(text, out_type=str))

    def ids(self, pieces: Iterable[str]) -> list[int]:
        """The id of each piece; UNKNOWN_ID for what the vocabulary lacks."""
        return list(self._model.piece_to_id(list(pieces)))

    def unknown(self, pieces: Iterable[str]) -> list[str]:
        """The distinct pieces that the vocabulary lacks, in order."""
        pieces = list(pieces)
        pairs = zip(pieces, self.ids(pieces), strict=True)
        return list(dict.fromkeys(piece for piece, number in pairs if number == UNKNOWN_ID))
