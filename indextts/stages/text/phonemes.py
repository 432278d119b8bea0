"""Optional step between normaliser and tokeniser: letters and characters to phonemes.

A small checkpoint has not heard enough speech to learn spelling.  Such a model directory
brings a lexicon, :data:`PHONEME_FILE`; its vocabulary then holds phonemes instead of letters.
The official model has no such file, and nothing of this runs.

English words become ARPAbet ("HH AX0 L OW1"), Mandarin syllables an initial and a final with
its tone ("N- -I3 H- -AO3"), words of a Latin script are divided by "|".  All symbols come from
the file; the rules here only look them up.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indextts.errors import ModelFileError

PHONEME_FILE = "phonemes.txt.gz"
HEADER = "#phonemes 1"
WORD_BREAK = "|"
SECTIONS = ("english", "letters", "syllables", "characters", "words")

# Contexts of a letter, widest first: how many letters left and right of it are looked at.
CONTEXTS = ((3, 3), (2, 3), (2, 2), (1, 2), (2, 1), (1, 1), (0, 1), (1, 0), (0, 0))
WORD_EDGE = "#"
SILENT = "-"

_TOKEN = re.compile(
    r"(?P<chinese>[\u4e00-\u9fff]+)|(?P<pinyin>[A-Za-z\u00fc\u00dc]{1,6}[1-5](?![A-Za-z0-9]))"
    r"|(?P<word>[A-Za-z]+(?:['’][A-Za-z]+)*)|(?P<digit>[0-9])|(?P<mark>[,.?!，。？！、；：;:…—])"
    r"|(?P<other>[^\s'\"’‘“”<>()\[\]{}|-])"
)
_CHINESE = re.compile("[\u4e00-\u9fff]")
_VOWEL = re.compile("[aeiouy]")
_MARKS = {
    **dict.fromkeys("，、；：;:…—,", ","),
    **dict.fromkeys("。！!.", "."),
    **dict.fromkeys("？?", "?"),
}
_ENGLISH_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_CHINESE_DIGITS = "零一二三四五六七八九"
_LONGEST_WORD = 8
_SHORT_ACRONYM = 4


@dataclass(frozen=True, eq=False)
class Lexicon:
    """What a phoneme file holds.

    Attributes:
        english: word in small letters -> its phonemes.
        letters: a letter in context, ``left[letter]right`` -> phonemes, or SILENT.
        syllables: pinyin without tone -> initial and final, or the final alone.
        characters: Chinese character -> its usual pinyin with tone.
        words: words whose reading is not that of their characters, pinyin with tones.
    """

    english: Mapping[str, tuple[str, ...]]
    letters: Mapping[str, tuple[str, ...]]
    syllables: Mapping[str, tuple[str, ...]]
    characters: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]

    def symbols(self) -> tuple[str, ...]:
        """Every symbol that a reader of this lexicon can give, sorted."""
        found = {WORD_BREAK, *_MARKS.values()}
        for table in (self.english, self.letters):
            found.update(symbol for row in table.values() for symbol in row)
        # Letter rules may put the stress on any vowel.
        found.update(
            symbol[:-1] + stress
            for symbol in tuple(found)
            for stress in "01"
            if symbol[-1].isdigit()
        )
        for row in self.syllables.values():
            found.update(row[:-1])
            found.update(row[-1] + tone for tone in "12345")
        return tuple(sorted(found - {SILENT}))


class PhonemeReader:
    """Text to phonemes; holds no state between calls."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._sounds = {
            syllable + tone: (*row[:-1], row[-1] + tone)
            for syllable, row in lexicon.syllables.items()
            for tone in "12345"
        }
        # First character -> lengths of the words that begin with it, the longest first.
        lengths: dict[str, set[int]] = {}
        for word in lexicon.words:
            if 1 < len(word) <= _LONGEST_WORD:
                lengths.setdefault(word[0], set()).add(len(word))
        self._word_lengths = {
            first: sorted(found, reverse=True) for first, found in lengths.items()
        }

    def read(self, text: str) -> str:
        """Symbols with a blank between them; characters without a reading stay as they are.

        Args:
            text: normalised; digits that are left in it are read one by one.
        """
        symbols: list[str] = []
        last = ""
        chinese = bool(_CHINESE.search(text))
        for match in _TOKEN.finditer(text):
            kind = str(match.lastgroup)
            if kind == "digit":
                kind = "chinese" if chinese else "word"
                digit = int(match[0])
                name = _CHINESE_DIGITS[digit] if chinese else _ENGLISH_DIGITS[digit]
                found = self._token(kind, name)
            else:
                found = self._token(kind, match[0])
            if kind == last == "word":
                symbols.append(WORD_BREAK)
            symbols += found
            last = kind
        return " ".join(symbols)

    def _token(self, kind: str, text: str) -> Sequence[str]:
        if kind == "chinese":
            return [s for syllable in self.pinyin(text) for s in self._syllable(syllable)]
        if kind == "pinyin":
            found = self._syllable(text.lower().replace("ü", "v"))
            number = _ENGLISH_DIGITS[int(text[-1])]
            return found or [*self._word(text[:-1]), WORD_BREAK, *self._word(number)]
        if kind == "word":
            return self._word(text)
        return [_MARKS[text] if kind == "mark" else text]

    # Mandarin

    def pinyin(self, run: str) -> list[str]:
        """Syllables with tones of a run of Chinese characters, tone changes included."""
        syllables = [s for word in self._chinese_words(run) for s in self._reading(word)]
        return _change_tones(run, syllables) if len(run) == len(syllables) else syllables

    def _chinese_words(self, run: str) -> Iterator[str]:
        """Longest match from the left; what is in no word is read character by character."""
        begin = 0
        words, lengths = self._lexicon.words, self._word_lengths
        while begin < len(run):
            word = run[begin]
            for length in lengths.get(word, ()):
                if run[begin : begin + length] in words:
                    word = run[begin : begin + length]
                    break
            yield word
            begin += len(word)

    def _reading(self, word: str) -> tuple[str, ...]:
        return self._lexicon.words.get(word) or self._lexicon.characters.get(word, (word,))

    def _syllable(self, pinyin: str) -> Sequence[str]:
        found = self._sounds.get(pinyin)
        if found is None:
            return [pinyin] if not pinyin.isascii() else []
        return found

    # English

    def _word(self, word: str) -> list[str]:
        english = self._lexicon.english
        small = word.lower().replace("’", "'")
        if word.isupper() and 1 < len(word) <= _SHORT_ACRONYM and small not in english:
            return self._spelled(small)
        found = english.get(small) or self._derived(small)
        if found is not None:
            return list(found)
        return self._spelled(small) if not _VOWEL.search(small) else self._by_letters(small)

    def _spelled(self, word: str) -> list[str]:
        return [s for letter in word for s in self._lexicon.english.get(f"{letter}.", ())]

    def _derived(self, word: str) -> tuple[str, ...] | None:
        """A known word with a plural or possessive ending."""
        for ending in ("'s", "s'", "s"):
            stem = self._lexicon.english.get(word.removesuffix(ending))
            if word.endswith(ending) and stem:
                if stem[-1] in ("S", "Z", "SH", "ZH", "CH", "JH"):
                    return (*stem, "IX0", "Z")
                return (*stem, "S" if stem[-1] in ("P", "T", "K", "F", "TH") else "Z")
        return None

    def _by_letters(self, word: str) -> list[str]:
        word = re.sub("[^a-z]", "", word)
        symbols: list[str] = []
        for place in range(len(word)):
            rule = next((k for k in letter_contexts(word, place) if k in self._lexicon.letters), "")
            symbols += (s for s in self._lexicon.letters.get(rule, ()) if s != SILENT)
        return _one_stress(symbols)


def letter_contexts(word: str, place: int) -> Iterator[str]:
    """Keys of the letter rules for ``word[place]``, the most telling first."""
    padded = WORD_EDGE * 3 + word + WORD_EDGE * 3
    at = place + 3
    for left, right in CONTEXTS:
        yield f"{padded[at - left : at]}[{padded[at]}]{padded[at + 1 : at + 1 + right]}"


def _one_stress(symbols: list[str]) -> list[str]:
    """Exactly one main stress: the first that was marked, else the first vowel."""
    vowels = [i for i, symbol in enumerate(symbols) if symbol[-1].isdigit()]
    main = next((i for i in vowels if symbols[i].endswith("1")), vowels[0] if vowels else -1)
    return [
        symbol if i not in vowels else symbol[:-1] + ("1" if i == main else "0")
        for i, symbol in enumerate(symbols)
    ]


def _change_tones(run: str, syllables: list[str]) -> list[str]:
    """Tones in running speech: 一, 不, and the first of two third tones."""
    out = list(syllables)
    for i, (character, following) in enumerate(zip(run, syllables[1:], strict=False)):
        tone = following[-1]
        if character == "不" and out[i] == "bu4" and tone == "4":
            out[i] = "bu2"
        elif character == "一" and out[i] == "yi1" and not _counts(run, i):
            out[i] = "yi2" if tone in "45" else "yi4"
    for i in range(len(out) - 1):
        if out[i][-1] == out[i + 1][-1] == "3":
            out[i] = out[i][:-1] + "2"
    return out


def _counts(run: str, place: int) -> bool:
    """Whether 一 is a digit or an ordinal here, which keep its tone."""
    before, after = run[place - 1 : place], run[place + 1 : place + 2]
    counting = _CHINESE_DIGITS + "十月日号"
    return (
        before == "第" or (before != "" and before in _CHINESE_DIGITS + "十") or after in counting
    )


def load_phoneme_reader(path: Path) -> PhonemeReader | None:
    """Read a phoneme file; None where there is none.

    Raises:
        ModelFileError: the file is damaged or of another format.
    """
    lexicon = load_lexicon(path)
    return None if lexicon is None else PhonemeReader(lexicon)


def load_lexicon(path: Path) -> Lexicon | None:
    """The tables of a phoneme file; None where there is none; raises as above."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ModelFileError(path, f"cannot be read: {error}", "Copy the model again.") from error
    if not lines or lines[0] != HEADER:
        raise ModelFileError(path, f"does not begin with {HEADER!r}.", "Copy the model again.")
    tables: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in SECTIONS}
    table = tables["english"]
    for number, line in enumerate(lines[1:], start=2):
        key, tab, value = line.partition("\t")
        if tab:
            table[key] = tuple(value.split())
        elif line.strip("[]") in tables:
            table = tables[line.strip("[]")]
        else:
            raise ModelFileError(path, f"line {number} is no entry: {line[:40]!r}")
    return Lexicon(**tables)
