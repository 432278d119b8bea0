"""Cut a text into short clauses that can be verbalised one by one.

The grammars of the verbaliser are followed over the whole text at once, at a cost in time and
memory that grows faster than the text (wetext 0.1.2: 8000 characters take 16 s and 1.6 GB).
A cut is harmless where no grammar reaches over it: behind the punctuation of a clause, between
plain words, inside a run of Chinese characters, and never next to a digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Zero-width: the mark stays with the clause in front of it.
_CHINESE_CLAUSE = re.compile(
    r"(?<=[。！？；，、\n])(?!\d)|(?<=[\u4e00-\u9fff][,.!?;])(?=[\u4e00-\u9fff ])"
)
_CHINESE_INSIDE = re.compile("(?<=[\u4e00-\u9fff]{6})(?=[\u4e00-\u9fff]{4})")
# The spaces stay with the clause in front of them.
_ENGLISH_CLAUSE = re.compile(r"(?<=[a-z]{3}[.!?] )(?=[A-Z])|(?<=[a-z]{3}[,;:] )(?=[a-z])")
_ENGLISH_INSIDE = re.compile("(?<=[a-z]{3} )(?=[a-z]{3})")

# A clause longer than COMFORTABLE is cut between words that are plain, one longer than LONGEST
# wherever it is: that bounds the time spent on texts that are no language.
_COMFORTABLE = 48
_LONGEST = 64
_SHORTEST = 16
# Then, in this order: between any two words, at a blank.
_FORCED = (
    re.compile("(?<=[A-Za-z] )(?=[A-Za-z])|(?<=[\u4e00-\u9fff]{3})(?=[\u4e00-\u9fff]{2})"),
    re.compile("(?<= )"),
)


def chinese_clauses(text: str) -> Iterator[str]:
    """The parts of `text`, in order and complete, for the Chinese grammars."""
    return _clauses(text, _CHINESE_CLAUSE, _CHINESE_INSIDE)


def english_clauses(text: str) -> Iterator[str]:
    """The parts of `text`, in order and complete, for the English grammars."""
    return _clauses(text, _ENGLISH_CLAUSE, _ENGLISH_INSIDE)


def _clauses(text: str, clause: re.Pattern[str], inside: re.Pattern[str]) -> Iterator[str]:
    begin = 0
    for end in (*(match.start() for match in clause.finditer(text)), len(text)):
        while end - begin > _COMFORTABLE:
            match = inside.search(text, begin + _COMFORTABLE // 2, min(end, begin + _LONGEST))
            if match is None and end - begin <= _LONGEST:
                break
            cut = _forced_cut(text, begin) if match is None else match.start()
            yield text[begin:cut]
            begin = cut
        if begin < end:
            yield text[begin:end]
        begin = end


def _forced_cut(text: str, begin: int) -> int:
    end = begin + _LONGEST
    for pattern in _FORCED:
        cuts = [match.start() for match in pattern.finditer(text, begin + _SHORTEST, end)]
        if cuts:
            return cuts[-1]
    return end
