"""From written to spoken text: numbers as words, few punctuation marks (text.md 1)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from indextts.errors import TextError
from indextts.stages.text import protect
from indextts.stages.text.glossary import Glossary
from indextts.stages.text.verbalizer import Verbalizer

_CHINESE = re.compile("[\u4e00-\u9fff]")
_LATIN = re.compile("[A-Za-z]")
_MAIL = re.compile(r"^[a-zA-Z0-9]+@[a-zA-Z0-9]+\.[a-zA-Z]+$")
_CONTRACTION = re.compile("(what|where|who|which|how|t?here|it|s?he|that|this)'s", re.IGNORECASE)

# text.md 1.2; the first entry that matches wins.
_PUNCTUATION = {
    "：": ",",
    "；": ",",
    ";": ",",
    "，": ",",
    "。": ".",
    "！": "!",
    "？": "?",
    "\n": " ",
    "·": "-",
    "、": ",",
    "...": "…",
    ",,,": "…",
    "，，，": "…",
    "……": "…",
    "“": "'",
    "”": "'",
    '"': "'",
    "‘": "'",
    "’": "'",
    "（": "'",
    "）": "'",
    "(": "'",
    ")": "'",
    "《": "'",
    "》": "'",
    "【": "'",
    "】": "'",
    "[": "'",
    "]": "'",
    "—": "-",
    "～": "-",
    "~": "-",
    "「": "'",
    "」": "'",
    ":": ",",
}
_CHINESE_PUNCTUATION = {"$": "."} | _PUNCTUATION


def _alternatives(table: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, table)))


_PATTERN = _alternatives(_PUNCTUATION)
_CHINESE_PATTERN = _alternatives(_CHINESE_PUNCTUATION)


def _never() -> None:
    """The check of a caller who waits."""


class TextNormalizer:
    """Section 1 of text.md; holds no state between calls."""

    def __init__(self, verbalizer: Verbalizer, glossary: Glossary | None = None) -> None:
        self._verbalizer = verbalizer
        self._glossary = glossary if glossary is not None else Glossary()
        self._log = logging.getLogger(__name__)

    def normalize(
        self, text: str, check: Callable[[], None] = _never, *, chinese: bool | None = None
    ) -> str:
        """The text as it is to be spoken.

        `check` is asked for every clause; what it raises ends the work.  `chinese` is for
        a passage, where the whole text decides the language.

        A verbaliser that fails does not fail the text: in Chinese the result is empty, in
        English the numbers stay as they are (text.md 1.1).  Only the kind of failure is logged:
        its message quotes the text, and texts do not belong into logs.

        Raises:
            TextError: the verbaliser is one that refuses numbers and signs.
        """
        text, annotations = protect.protect_annotations(text)
        if is_chinese(text) if chinese is None else chinese:
            text = self._chinese(text, check)
            text = _CHINESE_PATTERN.sub(lambda match: _CHINESE_PUNCTUATION[match[0]], text)
        else:
            text = self._english(text, check)
            text = _PATTERN.sub(lambda match: _PUNCTUATION[match[0]], text)
        return protect.restore_annotations(text, annotations)

    def _chinese(self, text: str, check: Callable[[], None]) -> str:
        text = _CONTRACTION.sub(r"\1 is", text)
        text = self._glossary.apply(text, "zh")
        text, has_terms = protect.protect_hyphens(text.rstrip())
        text, pinyin = protect.protect_pinyin(text)
        text, names = protect.protect_names(text)
        try:
            text = self._verbalizer.zh(text, check)
        except TextError:
            raise
        except Exception as error:  # whatever a backend raises, the request goes on
            check()  # unless it was this that failed
            self._log.warning("the zh verbaliser failed: %s", type(error).__name__)
            text = ""
        text = protect.restore_names(text, names)
        text = protect.restore_pinyin(text, pinyin)
        return protect.restore_hyphens(text) if has_terms else text

    def _english(self, text: str, check: Callable[[], None]) -> str:
        text = _CONTRACTION.sub(r"\1 is", text)
        text = self._glossary.apply(text, "en")
        marked, has_terms = protect.protect_hyphens(text)
        try:
            spoken = self._verbalizer.en(marked, check)
        except TextError:
            raise
        except Exception as error:  # as above; expected of wetext for signs it does not know
            check()
            self._log.debug("the en verbaliser failed: %s", type(error).__name__)
            return text
        return protect.restore_hyphens(spoken) if has_terms else spoken


def is_read_as_chinese(text: str) -> bool:
    """Which path :meth:`TextNormalizer.normalize` takes."""
    return is_chinese(protect.protect_annotations(text)[0])


def is_chinese(text: str) -> bool:
    """Which of the two paths a text takes (text.md 1.1, step 2)."""
    return bool(
        _CHINESE.search(text)
        or not _LATIN.search(text)
        or _MAIL.match(text)
        or protect.PINYIN.search(text)
    )
