"""Step ``lexicon``: the phoneme file of the model directory, from dictionaries of PyPI packages.

English comes from misaki's American dictionary (Apache-2.0), Mandarin from pypinyin's tables
(MIT).  Words that no dictionary has are read by letter rules, which are counted here.
"""

from __future__ import annotations

import gzip
import importlib.resources
import json
import logging
import re
from pathlib import Path

from indextts.stages.text.phonemes import HEADER, SECTIONS, Lexicon
from training.letters import letter_rules

log = logging.getLogger(__name__)

Table = dict[str, tuple[str, ...]]

VOWELS = {
    "A": "EY", "I": "AY", "O": "OW", "W": "AW", "Y": "OY", "æ": "AE", "ɑ": "AA", "ə": "AX",
    "ɛ": "EH", "ɜ": "ER", "ɪ": "IH", "i": "IY", "ɔ": "AO", "ʊ": "UH", "u": "UW", "ʌ": "AH",
    "ᵊ": "AX", "ᵻ": "IX", "ɐ": "AX",
}  # fmt: skip
CONSONANTS = {
    "b": "B", "d": "D", "f": "F", "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N",
    "p": "P", "s": "S", "t": "T", "v": "V", "w": "W", "z": "Z", "ɡ": "G", "ŋ": "NG", "ɹ": "R",
    "ʃ": "SH", "ʒ": "ZH", "ð": "DH", "θ": "TH", "ʤ": "JH", "ʧ": "CH", "ɾ": "DX", "ʔ": "T",
}  # fmt: skip
STRESS = {"ˈ": "1", "ˌ": "2"}
# Function words as they sound in a sentence; the dictionary gives some of them as in a list.
WEAK_FORMS = {
    "a": ("AX0",), "an": ("AX0", "N"), "the": ("DH", "AX0"), "to": ("T", "AX0"),
    "and": ("AX0", "N", "D"), "of": ("AX0", "V"), "for": ("F", "AO0", "R"), "i": ("AY1",),
}  # fmt: skip
# Those of two letters first.
INITIALS = (
    "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r",
    "z", "c", "s",
)  # fmt: skip
# Common readings that the table of single characters does not put first.
CHARACTER_READINGS = {
    "了": "le5", "着": "zhe5", "的": "de5", "地": "di4", "得": "de5", "吗": "ma5", "呢": "ne5",
    "吧": "ba5", "们": "men5", "啊": "a5", "还": "hai2", "都": "dou1", "长": "chang2",
    "为": "wei4", "行": "xing2", "和": "he2", "只": "zhi3",
}  # fmt: skip


def kokoro_to_arpabet(phonemes: str) -> tuple[str, ...] | None:
    """The teacher's spelling of an English word as ARPAbet; None where a sign is not known."""
    out: list[str] = []
    stress = "0"
    for sign in phonemes:
        if sign in STRESS:
            stress = STRESS[sign]
        elif sign in VOWELS:
            out.append(VOWELS[sign] + stress)
            stress = "0"
        elif sign == "ɹ" and out and out[-1].startswith("ER"):
            continue  # the rhotic vowel already holds it
        elif sign in CONSONANTS:
            out.append(CONSONANTS[sign])
        else:
            return None
    return tuple(out) or None


def english_table() -> Table:
    """Words in small letters; letter names stand under the letter with a full stop."""
    table: Table = {}
    data = importlib.resources.files("misaki") / "data"
    for name in ("us_silver.json", "us_gold.json"):  # the better one last
        for word, value in json.loads((data / name).read_text(encoding="utf-8")).items():
            reading = value.get("DEFAULT") if isinstance(value, dict) else value
            found = kokoro_to_arpabet(reading or "")
            if found is None:
                continue
            if len(word) == 1 and word.isupper():
                table[f"{word.lower()}."] = found
            elif re.fullmatch(r"[a-z]+('[a-z]+)?", word):
                table[word] = found
            elif re.fullmatch(r"[A-Z][a-z]+", word):
                table.setdefault(word.lower(), found)
    return table | WEAK_FORMS


def split_syllable(pinyin: str) -> tuple[str, ...]:
    """Pinyin without tone -> ("N-", "-I"); finals are told apart by what they sound like."""
    if pinyin[0] in "yw":
        final = _zero_initial(pinyin)
        return (f"-{final.upper()}",)
    initial = next((i for i in INITIALS if pinyin.startswith(i)), "")
    final = pinyin.removeprefix(initial)
    if initial in ("zh", "ch", "sh", "r") and final == "i":
        final = "ir"
    elif initial in ("z", "c", "s") and final == "i":
        final = "iz"
    elif initial in ("j", "q", "x") and final.startswith("u"):
        final = "v" + final[1:]
    final = {"iu": "iou", "ui": "uei", "un": "uen", "ue": "ve"}.get(final, final)
    if initial in ("b", "p", "m", "f") and final == "o":
        final = "uo"
    return (f"{initial.upper()}-", f"-{final.upper()}") if initial else (f"-{final.upper()}",)


def _zero_initial(pinyin: str) -> str:
    if pinyin.startswith("yu"):
        return "v" + pinyin[2:]
    if pinyin.startswith("y"):
        rest = pinyin[1:]
        return rest if rest.startswith("i") else "i" + rest
    rest = pinyin[1:]
    return rest if rest.startswith("u") else "u" + rest


def mandarin_tables() -> tuple[Table, Table, Table]:
    """Syllables, characters, and the words whose reading their characters do not give."""
    from pypinyin import Style, lazy_pinyin
    from pypinyin.constants import PHRASES_DICT

    def read(text: str) -> tuple[str, ...]:
        found = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
        return tuple(str(s).replace("ü", "v") for s in found)

    characters: Table = {}
    for code in range(0x4E00, 0x9FA6):
        reading = read(chr(code))
        if len(reading) == 1 and re.fullmatch("[a-z]+[1-5]", reading[0]):
            characters[chr(code)] = reading
    characters |= {key: (value,) for key, value in CHARACTER_READINGS.items() if key in characters}
    words: Table = {}
    for word in PHRASES_DICT:
        reading = read(word)
        plain = tuple(s for c in word for s in characters.get(c, ("?",)))
        if reading != plain and len(reading) == len(word) <= 8 and "?" not in plain:
            words[word] = reading
    bases = {s[:-1] for table in (characters, words) for row in table.values() for s in row}
    syllables = {base: split_syllable(base) for base in sorted(bases)}
    return syllables, characters, words


def build_lexicon(path: Path) -> Lexicon:
    """Make the phoneme file; takes half a minute."""
    english = english_table()
    syllables, characters, words = mandarin_tables()
    spelled = {word: row for word, row in english.items() if word.isalpha() and len(word) > 2}
    lexicon = Lexicon(english, letter_rules(spelled), syllables, characters, words)
    write_lexicon(path, lexicon)
    log.info(
        "%s: %d English words, %d letter rules, %d characters, %d Chinese words, %.2f MB",
        path, len(english), len(lexicon.letters), len(characters), len(words),
        path.stat().st_size / 1e6,
    )  # fmt: skip
    return lexicon


def write_lexicon(path: Path, lexicon: Lexicon) -> None:
    """Write a phoneme file; the same lexicon gives the same bytes."""
    lines = [HEADER]
    for name in SECTIONS:
        lines.append(f"[{name}]")
        table = getattr(lexicon, name)
        lines += (f"{key}\t{' '.join(table[key])}" for key in sorted(table))
    path.write_bytes(gzip.compress("\n".join(lines).encode("utf-8"), 9, mtime=0))
