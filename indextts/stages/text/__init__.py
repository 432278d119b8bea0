"""Text front end: read, cut, tokenise (docs/text.md)."""

from indextts.stages.text.front_end import (
    FrontEndResult,
    Segment,
    TextFrontEnd,
    load_text_front_end,
)
from indextts.stages.text.glossary import Glossary, load_glossary
from indextts.stages.text.normalizer import TextNormalizer
from indextts.stages.text.readers import check_normalization
from indextts.stages.text.segmenter import split_segments
from indextts.stages.text.silences import BLANK_LINE_MS
from indextts.stages.text.tokenizer import Tokenizer
from indextts.stages.text.verbalizer import Verbalizer, load_verbalizer

__all__ = [
    "BLANK_LINE_MS",
    "FrontEndResult",
    "Glossary",
    "Segment",
    "TextFrontEnd",
    "TextNormalizer",
    "Tokenizer",
    "Verbalizer",
    "check_normalization",
    "load_glossary",
    "load_text_front_end",
    "load_verbalizer",
    "split_segments",
]
