"""The text front end: what a request says, as ids for the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from indextts.config import SegmentationConfig
from indextts.errors import TextError, TextFault
from indextts.request import Normalization
from indextts.stages.text.characters import CharacterFolder, simplified_table
from indextts.stages.text.glossary import Glossary, load_glossary
from indextts.stages.text.natural import NaturalReader
from indextts.stages.text.normalizer import TextNormalizer
from indextts.stages.text.phonemes import PhonemeReader, load_phoneme_reader
from indextts.stages.text.readers import PlainReader, Reader, ReferenceReader
from indextts.stages.text.segmentation import Segmenter, SpokenSegment, tidy_blanks
from indextts.stages.text.segmenter import split_segments
from indextts.stages.text.silences import (
    BLANK_LINE_MS,
    MarkedText,
    doubtful_warning,
    mark_silences,
    passages,
    silence_at_edge,
    silence_between,
    without_silences,
)
from indextts.stages.text.spans import Tracked
from indextts.stages.text.tokenizer import (
    CJK_BLANKS,
    RESERVED_PIECES,
    UNKNOWN_ID,
    Tokenizer,
)
from indextts.stages.text.verbalizer import load_simplifier, load_verbalizer


@dataclass(frozen=True)
class Segment:
    """What the model speaks in one go.

    Attributes:
        pieces: of the vocabulary.
        ids: one for each piece, never 0 or 1.
        text: the pieces as readable text.
        spoken_text: the words that are spoken, as people write them.
        source: begin and end of the stretch of the request's text that is spoken; None where the
            reader does not know.
        silence: milliseconds that the text wants to be silent in front of it; None: as usual.
    """

    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    text: str
    spoken_text: str
    source: tuple[int, int] | None = None
    silence: int | None = None


@dataclass(frozen=True)
class FrontEndResult:
    """What is to be spoken.

    Attributes:
        segments: in order.
        unknown: the distinct characters that the model cannot read.
        silence: milliseconds that the text wants to be silent at its end.
        doubtful: marks that look like pauses but were read as text.
    """

    segments: tuple[Segment, ...]
    unknown: tuple[str, ...] = ()
    silence: int = 0
    doubtful: tuple[str, ...] = ()

    def silences(self, interval: int) -> tuple[int, ...]:
        """Milliseconds of silence: in front of, between and behind the segments.

        Args:
            interval: between two segments where the text asks for none.
        """
        first, *others = (segment.silence for segment in self.segments)
        between = (interval if silence is None else silence for silence in others)
        return (first or 0, *between, self.silence)

    def warnings(self) -> list[str]:
        """Sentences for the caller."""
        unknown = [unknown_warning(self.unknown)] if self.unknown else []
        return unknown + [doubtful_warning(mark) for mark in self.doubtful[:_SHOWN_MARKS]]


@dataclass(frozen=True)
class _Passage:
    """What stands between two pauses of a text: segments, and the characters that are lost."""

    silences: str
    segments: Sequence[Segment]
    unknown: Iterable[str]


_SHOWN_CHARACTERS = 20
_SHOWN_MARKS = 5


def unknown_warning(characters: Sequence[str]) -> str:
    """A sentence for the caller about what the model cannot read."""
    shown = " ".join(characters[:_SHOWN_CHARACTERS])
    more = len(characters) - _SHOWN_CHARACTERS
    tail = f" and {more} more" if more > 0 else ""
    return f"characters that the model does not know: {shown}{tail}"


def _never() -> None:
    """The check of a caller who waits."""


class TextFrontEnd:
    """Read, cut, tokenise; holds no state between calls.

    Args:
        readers: one for each normalisation.
        tokenizer: of the model's vocabulary.
        phonemes: reads the spoken text for a model whose vocabulary are phonemes.
        segmentation: what the checkpoint was trained on.
        normalization: taken where a request does not say.
    """

    def __init__(
        self,
        readers: Mapping[Normalization, Reader],
        tokenizer: Tokenizer,
        phonemes: PhonemeReader | None = None,
        segmentation: SegmentationConfig | None = None,
        normalization: Normalization = "natural",
    ) -> None:
        self._readers = readers
        self._tokenizer = tokenizer
        self._phonemes = phonemes
        self._normalization = normalization
        self._segmentation = SegmentationConfig() if segmentation is None else segmentation
        # The reference cuts pieces.  A model of its own vocabulary or habits has no reference.
        self._cuts_pieces = phonemes is None and self._segmentation == SegmentationConfig()

    def segments(
        self,
        text: str,
        max_tokens: int = 120,
        quick_tokens: int = 0,
        normalization: Normalization | None = None,
        check: Callable[[], None] = _never,
        *,
        pauses: bool = True,
        blank_line: int = BLANK_LINE_MS,
    ) -> FrontEndResult:
        """Prepare a text.

        Args:
            text: any text; half surrogate pairs are left out.
            max_tokens: longest segment in pieces.
            quick_tokens: bound on the first segment; see :class:`Segmenter` and, for the
                reference, :func:`split_segments`.
            normalization: which reader; None is the front end's own.
            check: asked every few clauses; what it raises ends the work.
            pauses: whether marks of pauses, and blank lines outside the reference's reading, are
                silence; see :func:`mark_silences`.
            blank_line: milliseconds of silence for blank lines.

        Raises:
            TextError: nothing in the text can be spoken, or a pause is too long.
        """
        text = text.encode("utf-8", "ignore").decode("utf-8")
        reader = self._readers[normalization or self._normalization]
        if pauses:
            # The original knows nothing of blank lines.
            marked = mark_silences(text, blank_lines=not isinstance(reader, ReferenceReader))
        else:
            marked = MarkedText(without_silences(text))
        if isinstance(reader, ReferenceReader) and self._cuts_pieces:
            made = self._reference_passages(
                reader, marked.tracked.text, max_tokens, quick_tokens, check
            )
        else:
            made = self._passages(reader, marked.tracked, max_tokens, quick_tokens, check)
        segments: list[Segment] = []
        unknown: dict[str, None] = {}
        silences = ""
        for passage in made:
            silences += passage.silences
            unknown |= dict.fromkeys(passage.unknown)
            # Marks alone are no speech: the silences around them are one.
            if any(_is_speakable(segment.pieces, segment.ids) for segment in passage.segments):
                first, *others = passage.segments
                between = silence_between(silences, blank_line)
                silence = between if segments else silence_at_edge(silences)
                segments += (replace(first, silence=silence), *others)
                silences = ""
        if not segments:
            raise TextError(
                "The text has nothing in it that can be spoken: the model reads Chinese "
                "characters, Latin letters and digits.",
                TextFault.NOTHING_TO_SPEAK,
            )
        behind = silence_at_edge(silences) or 0
        return FrontEndResult(tuple(segments), tuple(unknown), behind, marked.doubtful)

    def _passages(
        self,
        reader: Reader,
        source: Tracked,
        max_tokens: int,
        quick_tokens: int,
        check: Callable[[], None],
    ) -> Iterator[_Passage]:
        known = None if isinstance(reader, ReferenceReader) else source
        # A segment is often a sentence that has been measured.
        pieces = cache(self._pieces)
        joint = 0 if self._phonemes is None else 1
        segmenter = Segmenter(lambda text: len(pieces(text)), self._segmentation, joint)
        bound = quick_tokens
        for silences, spans in passages(reader.read(source.text, check)):
            cut = segmenter.split(spans, max_tokens, bound, check)
            yield self._passage(silences, cut, pieces, max_tokens, known, check)
            # The segments of a text may grow; see Segmenter.split.
            bound = min(bound << len(cut), max_tokens)

    def _passage(
        self,
        silences: str,
        cut: Iterable[SpokenSegment],
        pieces_of: Callable[[str], list[str]],
        max_tokens: int,
        source: Tracked | None,
        check: Callable[[], None],
    ) -> _Passage:
        segments: list[Segment] = []
        lost: dict[str, None] = {}
        for part in cut:
            check()
            spoken, pieces = part.text, pieces_of(part.text)
            ids = self._tokenizer.ids(pieces)
            if UNKNOWN_ID in ids:
                spoken, unknown = self._readable(part.text)
                lost |= dict.fromkeys(unknown)
                pieces = pieces_of(spoken)
                ids = self._tokenizer.ids(pieces)
            place = None
            if source is not None:
                place = (source.place(part.begin), source.place(part.end))
            # The sizes that the segmenter added up are bounds: this is a safety net.
            for begin in range(0, len(pieces), max_tokens):
                end = begin + max_tokens
                if _is_speakable(pieces[begin:end], ids[begin:end]):
                    segments.append(_segment(pieces[begin:end], ids[begin:end], spoken, place))
        return _Passage(silences, segments, lost)

    def _reference_passages(
        self,
        reader: ReferenceReader,
        text: str,
        max_tokens: int,
        quick_tokens: int,
        check: Callable[[], None],
    ) -> Iterator[_Passage]:
        # A single character is read as it stands (text.md 2, step 1).  Where that gives nothing to
        # speak ("a", "5"), we read it like a longer text, which the original does not.
        pieces = self._tokenizer.tokenize_raw(text) if len(text.strip()) == 1 else []
        made: Iterable[tuple[str, list[str]]] = [("", pieces)]
        if not _is_speakable(pieces, self._tokenizer.ids(pieces)):
            read = reader.passages(text, check)
            made = ((silences, self._pieces(spoken)) for silences, spoken in read)
        for silences, pieces in made:
            parts = split_segments(pieces, max_tokens, quick_tokens)
            lost = "".join(self._tokenizer.unknown(pieces)).replace("▁", "")
            yield _Passage(
                silences, [_segment(part, self._tokenizer.ids(part)) for part in parts], lost
            )
            quick_tokens = max(quick_tokens - len(pieces), 0)

    def _readable(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The text without what the vocabulary lacks, and the sounds that are lost by that."""
        characters = (c for c in dict.fromkeys(text) if not c.isascii() or c.isdecimal())
        unknown = [c for c in characters if UNKNOWN_ID in self._tokenizer.ids(self._pieces(c))]
        readable = text.translate(dict.fromkeys(map(ord, unknown), " "))
        return tidy_blanks(readable), tuple(c for c in unknown if c.isalnum())

    def _pieces(self, text: str) -> list[str]:
        read = text if self._phonemes is None else self._phonemes.read(text)
        return [p for p in self._tokenizer.tokenize(read) if p not in RESERVED_PIECES]


def _is_speakable(pieces: Sequence[str], ids: Sequence[int]) -> bool:
    return any(
        number > UNKNOWN_ID and any(map(str.isalnum, piece))
        for piece, number in zip(pieces, ids, strict=True)
    )


def _segment(
    pieces: Sequence[str],
    ids: Sequence[int],
    spoken: str | None = None,
    source: tuple[int, int] | None = None,
) -> Segment:
    text = "".join(pieces).replace("▁", " ").strip()
    return Segment(
        pieces=tuple(pieces),
        ids=tuple(ids),
        text=text,
        spoken_text=CJK_BLANKS.sub("", text) if spoken is None else spoken,
        source=source,
    )


def load_text_front_end(
    bpe_model: Path,
    phonemes: Path | None = None,
    glossary: Path | None = None,
    verbalizer: str = "wetext",
    normalization: Normalization = "natural",
    segmentation: SegmentationConfig | None = None,
) -> TextFrontEnd:
    """Load the front end of a model.

    Args:
        bpe_model: the vocabulary.
        phonemes: lexicon of a model that reads phonemes.
        glossary: readings of certain words.
        verbalizer: of the reference's reader; see :func:`load_verbalizer`.
        normalization: taken where a request does not say.
        segmentation: what the checkpoint was trained on.

    Raises:
        ModelFileError: vocabulary, glossary or phoneme file cannot be used.
        ConfigError: the verbaliser is unknown or not installed.
    """
    tokenizer = Tokenizer(bpe_model)
    words = Glossary() if glossary is None else load_glossary(glossary)
    reader = None if phonemes is None else load_phoneme_reader(phonemes)
    # "none" needs no package: traditional characters then stay as they are.
    simplifier = str if verbalizer == "none" else load_simplifier()
    folder = CharacterFolder(simplified_table(simplifier))
    plain = PlainReader(folder)
    normalizer = TextNormalizer(load_verbalizer(verbalizer), words)
    readers: Mapping[Normalization, Reader] = {
        "natural": NaturalReader(folder, words),
        "reference": ReferenceReader(normalizer, plain),
        "off": plain,
    }
    return TextFrontEnd(readers, tokenizer, reader, segmentation, normalization)
