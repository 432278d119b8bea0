"""Which stretch of a text is English and which is Chinese.

Words decide, not numbers: what has no words of its own goes with what stands around it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from indextts.stages.text.glossary import Language
from indextts.stages.text.natural.units import CURRENCIES, UNITS

_SENTENCE = re.compile(r"[^。！？!?;；\n\r]*+[。！？!?;；\n\r]*+")
_LATIN_SENTENCE_END = re.compile(r"(?<=[A-Za-z\d]{2}[.]) ")
_HAN = re.compile("[\u3400-\u9fff\u3007]")
# A word, and not a code such as A4, v2 or H100.
_WORD = re.compile(
    r"(?<![A-Za-z0-9.@/_\\-])(?:[A-Za-z]{2,}(?:['-][a-z]+){0,3}|[AI])(?![A-Za-z0-9@/_\\]|\.[A-Za-z0-9])"
)
_ANY_WORD = re.compile("(?<![A-Za-z0-9])(?:[A-Za-z]{2,}|[AIa])(?![A-Za-z0-9])")
_EDGE_NUMBER = re.compile(r"[\d.,%]*+")
_FOREIGN = re.compile("[^\u3400-\u9fff\u3007，。、【】《》「」『』]+")
# Chinese characters with the numbers that touch them.
_CHINESE_RUN = re.compile(
    r"[\d.:%-]*+[\u3400-\u9fff\u3007](?:[\d.:%-]*+[\u3400-\u9fff\u3007])*+[\d.:%]*+"
)
_MIN_WORDS = 3
_MIN_SMALL = 2
# What speaks for English where there are no words at all.
_ENGLISH_SIGN = re.compile("[A-Za-z$£€]")


@dataclass(frozen=True)
class LanguageRuns:
    """The language at every place of a text.

    Attributes:
        begins: where the runs begin, ascending.
        languages: of each run.
    """

    begins: tuple[int, ...]
    languages: tuple[Language, ...]

    def at(self, index: int) -> Language:
        return self.languages[max(bisect_right(self.begins, index) - 1, 0)]


def language_runs(text: str, check: Callable[[], None]) -> LanguageRuns:
    """Decide for each sentence, and for English stretches of a few words in a Chinese one."""
    runs: list[tuple[int, Language | None]] = []
    for begin, end in _sentences(text):
        check()
        runs += _sentence_runs(text, begin, end)
    fallback: Language = "en" if _ENGLISH_SIGN.search(text) else "zh"
    known = next((language for _, language in runs if language), fallback)
    begins: list[int] = []
    languages: list[Language] = []
    for begin, language in runs:
        known = language or known
        if not languages or languages[-1] != known:
            begins.append(begin)
            languages.append(known)
    return LanguageRuns(tuple(begins or [0]), tuple(languages or [fallback]))


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(text):
        match = _SENTENCE.match(text, begin)
        end = match.end() if match else len(text)
        for cut in _LATIN_SENTENCE_END.finditer(text, begin, end):
            yield begin, cut.end()
            begin = cut.end()
        if begin < end:
            yield begin, end
        begin = end


def _sentence_runs(text: str, begin: int, end: int) -> Iterator[tuple[int, Language | None]]:
    if not _HAN.search(text, begin, end):
        yield begin, "en" if _has_word(text, begin, end) else None
        return
    if _is_english(text, begin, end):
        yield begin, "en"
        for match in _CHINESE_RUN.finditer(text, begin, end):
            yield match.start(), "zh"
            yield match.end(), "en"
        return
    yield begin, "zh"
    for match in _FOREIGN.finditer(text, begin, end):
        if match.end() - match.start() < 3 * _MIN_WORDS:
            continue
        words = _WORD.findall(match[0])
        if len(words) >= _MIN_WORDS and sum(w.islower() for w in words) >= _MIN_SMALL:
            first, last = _trim(text, match.start(), match.end())
            yield first, "en"
            yield last, "zh"


def _is_english(text: str, begin: int, end: int) -> bool:
    """Whether a sentence with Chinese characters in it has more English words than those."""
    found = _WORD.findall(text, begin, end)
    small = sum(word.islower() for word in found)
    return small >= _MIN_SMALL and len(found) > len(_HAN.findall(text, begin, end))


def _has_word(text: str, begin: int, end: int) -> bool:
    """Whether there is a word; units and currencies are the same in both languages."""
    words = _ANY_WORD.finditer(text, begin, end)
    return any(word[0] not in UNITS and word[0] not in CURRENCIES for word in words)


def _trim(text: str, begin: int, end: int) -> tuple[int, int]:
    """Without the numbers at its edges: those touch a Chinese word and are counted in Chinese."""
    head = _EDGE_NUMBER.match(text, begin, end)
    tail = end
    while tail > begin and (text[tail - 1].isdecimal() or text[tail - 1] in ".,%+"):
        tail -= 1
    return (head.end() if head else begin), tail
