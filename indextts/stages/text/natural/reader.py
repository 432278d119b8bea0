"""The natural reader: a text as a person would read it aloud.

    characters -> markup -> decimal commas -> languages -> one pass of rules -> marks

Each step knows where in the source its text comes from; a rule looks at one place of the text and
reads a bounded stretch, so that the work is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from indextts.stages.text.characters import CharacterFolder
from indextts.stages.text.glossary import Glossary, Language
from indextts.stages.text.marks import join_marks, read_mark
from indextts.stages.text.natural.decimals import with_points
from indextts.stages.text.natural.grammar import Tables, tables_of
from indextts.stages.text.natural.languages import LanguageRuns, language_runs
from indextts.stages.text.natural.markup import strip_markup
from indextts.stages.text.natural.pinyin import read_pinyin
from indextts.stages.text.natural.rules import Rule, first_hit, listed
from indextts.stages.text.spans import Kind, Span, Tracked

_TOKEN = re.compile(
    r"(?P<han>[\u3007\u3400-\u9fff]+)|(?P<word>[A-Za-z]+(?:'[A-Za-z]+)*)|(?P<digit>[0-9])"
    r"|(?P<space> +)|(?P<other>.)",
    re.DOTALL,
)
_PLAIN = frozenset({"han", "space"})
# Words, signs and numbers between two questions whether to go on.
_CHECK_EVERY = 16
# What may stand at the beginning of a number's reading.
_NUMBER_SIGNS = frozenset("-–−+±~≈<>≤≥$€£¥₩₹₽#(.'")
_SUM_SIGNS = frozenset("-–—~−+÷×*=/<>≤≥≠≈")
_ADDRESS_SIGNS = frozenset(".@:/_-+\\")
# A mail address, a host or an address of IPv6 that begins with a digit.
_ADDRESS_AHEAD = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9]|[A-Za-z0-9-]{2,40}(?:\.[A-Za-z0-9-]{1,40}){0,3}\.[a-z]{2}"
    r"|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:"
)
_CURRENCY_WORDS = frozenset(
    listed("US A C S HK NT CN Rs JP USD EUR GBP RMB CNY JPY CAD AUD HKD KRW INR CHF")
)
# Words that begin a reading, in any case; others pass without a look at the rules.
_CUE_WORDS = frozenset(
    listed(
        """
mr mrs ms dr prof rev hon gov sen rep pres gen col maj capt lt sgt cpl fr st mt ft messrs ave rd
blvd ln hwy sq jr sr inc ltd corp co bros esq pl ct dept univ no nos fig figs eq sec ch chap vol p
pp art c ca apt ext rm tel approx est v ver vs etc govt incl excl esp resp misc max min avg al cf
viz e i a w b n ph m mon tue tues wed thu thur thurs fri sat sun aka o'clock jan feb mar apr may
jun jul aug sep sept oct nov dec january february march april june july august september october
november december ad
"""
    )
)
_ROMAN = frozenset("IVXL")
_GREEK_WORD = re.compile("[\u0370-\u03ff\u1f00-\u1fff]{3}")


class NaturalReader:
    """Reads a text; holds no state between calls.

    Args:
        folder: brings the characters of a text to one spelling.
        glossary: readings of certain words.
    """

    def __init__(self, folder: CharacterFolder, glossary: Glossary) -> None:
        self._folder = folder
        self._glossary = glossary
        self._tables: Mapping[Language, Tables] = {"en": tables_of("en"), "zh": tables_of("zh")}

    def read(self, text: str, check: Callable[[], None]) -> list[Span]:
        """The spans of the spoken text, in order.

        Args:
            text: any text without half surrogates.
            check: asked every few words; raises what ends the work.
        """
        tracked = with_points(strip_markup(self._folder.fold(text)))
        runs = language_runs(tracked.text, check)
        return list(join_marks(self._spans(tracked, runs, check)))

    def _spans(
        self, tracked: Tracked, runs: LanguageRuns, check: Callable[[], None]
    ) -> Iterator[Span]:
        text, begin = tracked.text, 0
        for start, end, readings in self._glossary.find(text):
            yield from self._scan(tracked, begin, start, runs, check)
            yield _span(tracked, start, end, readings[runs.at(start)], Kind.READING)
            begin = end
        yield from self._scan(tracked, begin, len(text), runs, check)

    def _scan(
        self, tracked: Tracked, begin: int, end: int, runs: LanguageRuns, check: Callable[[], None]
    ) -> Iterator[Span]:
        text = tracked.text
        at = plain = begin
        step = 0
        while at < end:
            step += 1
            if step % _CHECK_EVERY == 0:
                check()
            token = _TOKEN.match(text, at)
            assert token is not None, "a token may be any character"
            found = None if token.lastgroup in _PLAIN else self._at(text, token, runs)
            if found is None or found[0] > end:
                at = token.end()
                continue
            stop, words, kind = found
            if plain < at:
                yield _span(tracked, plain, at, text[plain:at], Kind.WORDS)
            yield _span(tracked, at, stop, words, kind)
            at = plain = stop
        if plain < end:
            yield _span(tracked, plain, end, text[plain:end], Kind.WORDS)

    def _at(
        self, text: str, token: re.Match[str], runs: LanguageRuns
    ) -> tuple[int, str, Kind] | None:
        """What is read at a token: its end, the words, the kind; None for a plain word."""
        at = token.start()
        language = runs.at(at)
        tables = self._tables[language]
        if token.lastgroup == "word":
            following = text[token.end() : token.end() + 1]
            if following.isdecimal():
                pinyin = read_pinyin(text, at, chinese=language == "zh")
                if pinyin:
                    return *pinyin, Kind.READING
            rules = _word_rules(token[0], following, tables)
        elif token.lastgroup == "digit":
            rules = _digit_rules(text, at, tables)
        else:
            rules = _sign_rules(text, at, tables)
        hit = first_hit(rules, text, at)
        if hit is not None:
            return hit.end, hit.words, Kind.READING
        return _sign(text, at, tables) if token.lastgroup == "other" else None


def _word_rules(word: str, following: str, tables: Tables) -> Iterator[Rule]:
    """The rules that a word may begin; `following` is the character behind it."""
    if following in _ADDRESS_SIGNS or following.isdecimal():
        yield from tables.addresses
    if following in "+#.²³" or following.isdecimal():
        yield from tables.codes
    if word in _CURRENCY_WORDS:
        yield from tables.numbers
    small = word.lower()
    cued = small in _CUE_WORDS or following == "." or "'s" in small or set(word) <= _ROMAN
    if cued or (following == "/" and len(word) == 1):
        yield from tables.words


def _digit_rules(text: str, at: int, tables: Tables) -> Iterator[Rule]:
    if _ADDRESS_AHEAD.match(text, at):
        yield from tables.addresses
    yield from tables.numbers


def _sign_rules(text: str, at: int, tables: Tables) -> Iterator[Rule]:
    sign, front = text[at], text[at - 1 : at] if at else ""
    if sign in _SUM_SIGNS:
        yield from tables.sums
    if sign in _NUMBER_SIGNS and not (front.isascii() and front.isalnum() and sign in "-–.'("):
        yield from tables.numbers
    if (
        (sign in "@#/\\.~" or text.startswith("::", at))
        and not front.isalnum()
        and at + 1 < len(text)
    ):
        yield from tables.addresses


def _sign(text: str, at: int, tables: Tables) -> tuple[int, str, Kind] | None:
    """A mark, a sign with a name, or a silent one; None for a letter of another script."""
    mark = read_mark(text, at)
    if mark is not None:
        return mark
    sign = text[at]
    name = tables.signs.get(sign, "")
    if sign.isalpha() and (not name or _in_greek_word(text, at)):
        return None
    if sign == "/" and text[at - 1 : at + 2] == " / ":
        name = ","  # between verses
    return at + 1, name or " ", Kind.PAUSE if name == "," else Kind.READING


def _in_greek_word(text: str, at: int) -> bool:
    """Whether a letter is one of a Greek word, and not a symbol."""
    return bool(_GREEK_WORD.search(text, max(0, at - 2), at + 3))


def _span(tracked: Tracked, begin: int, end: int, words: str, kind: Kind) -> Span:
    return Span(words, tracked.place(begin), tracked.place(end), kind)
