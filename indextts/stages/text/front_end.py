"""The text front end: what a request says, as ids for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indextts.errors import TextError
from indextts.stages.text.glossary import Glossary, load_glossary
from indextts.stages.text.normalizer import TextNormalizer
from indextts.stages.text.phonemes import PhonemeReader, load_phoneme_reader
from indextts.stages.text.segmenter import split_segments
from indextts.stages.text.tokenizer import UNKNOWN_ID, Tokenizer
from indextts.stages.text.verbalizer import load_verbalizer

# Start and stop of the model's text sequence; it sets them itself (gpt.md 3).
_RESERVED_IDS = (0, 1)


@dataclass(frozen=True)
class Segment:
    """What the model speaks in one go.

    Attributes:
        pieces: of the vocabulary.
        ids: one for each piece, never 0 or 1.
        text: the pieces as readable text.
    """

    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class FrontEndResult:
    """The segments in order, and the distinct pieces that the model cannot read."""

    segments: tuple[Segment, ...]
    unknown: tuple[str, ...]


class TextFrontEnd:
    """Normalise, tokenise, split; holds no state between calls.

    Args:
        normalizer: makes a text spoken.
        tokenizer: of the model's vocabulary.
        phonemes: reads the normalised text for a model whose vocabulary are phonemes.
    """

    def __init__(
        self,
        normalizer: TextNormalizer,
        tokenizer: Tokenizer,
        phonemes: PhonemeReader | None = None,
    ) -> None:
        self._normalizer = normalizer
        self._tokenizer = tokenizer
        self._phonemes = phonemes

    def segments(self, text: str, max_tokens: int = 120, quick_tokens: int = 0) -> FrontEndResult:
        """Prepare a text.

        Args:
            text: any text; half surrogate pairs are left out.
            max_tokens: longest segment in pieces.
            quick_tokens: see :func:`split_segments`.

        Raises:
            TextError: nothing in the text can be spoken.
        """
        pieces = self._pieces(text.encode("utf-8", "ignore").decode("utf-8"))
        segments = tuple(
            self._segment(part) for part in split_segments(pieces, max_tokens, quick_tokens)
        )
        return FrontEndResult(segments, tuple(self._tokenizer.unknown(pieces)))

    def _pieces(self, text: str) -> list[str]:
        # A single character is read as it stands (text.md 2, step 1).  Where that gives nothing to
        # speak ("a", "5"), we read it like a longer text, which the original does not.
        raw = self._tokenizer.tokenize_raw(text) if len(text.strip()) == 1 else []
        if self._is_speakable(raw):
            return raw
        pieces = self._tokenizer.tokenize(self._spoken(text)) if text.strip() else []
        numbers = self._tokenizer.ids(pieces)
        pieces = [p for p, n in zip(pieces, numbers, strict=True) if n not in _RESERVED_IDS]
        if not self._is_speakable(pieces):
            raise TextError(
                "The text has nothing in it that can be spoken: the model reads Chinese "
                "characters, Latin letters and digits."
            )
        return pieces

    def _spoken(self, text: str) -> str:
        normal = self._normalizer.normalize(text)
        return normal if self._phonemes is None else self._phonemes.read(normal)

    def _is_speakable(self, pieces: Sequence[str]) -> bool:
        numbers = self._tokenizer.ids(pieces)
        return any(
            number > UNKNOWN_ID and any(map(str.isalnum, piece))
            for piece, number in zip(pieces, numbers, strict=True)
        )

    def _segment(self, pieces: Sequence[str]) -> Segment:
        return Segment(
            pieces=tuple(pieces),
            ids=tuple(self._tokenizer.ids(pieces)),
            text="".join(pieces).replace("▁", " ").strip(),
        )


def load_text_front_end(
    bpe_model: Path,
    phonemes: Path | None = None,
    glossary: Path | None = None,
    verbalizer: str = "wetext",
) -> TextFrontEnd:
    """Load the front end of a model.

    Args:
        bpe_model: the vocabulary.
        phonemes: lexicon of a model that reads phonemes.
        glossary: readings of certain words.
        verbalizer: see :func:`load_verbalizer`.

    Raises:
        ModelFileError: vocabulary, glossary or phoneme file cannot be used.
        ConfigError: the verbaliser is unknown or not installed.
    """
    tokenizer = Tokenizer(bpe_model)
    words = Glossary() if glossary is None else load_glossary(glossary)
    reader = None if phonemes is None else load_phoneme_reader(phonemes)
    return TextFrontEnd(TextNormalizer(load_verbalizer(verbalizer), words), tokenizer, reader)
