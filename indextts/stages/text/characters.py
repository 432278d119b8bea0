"""One spelling for characters that sound alike: the first step of the natural reader.

Invisible characters go, full-width and compatibility forms become plain ones, letters lose their
accents, dashes and quotes come down to a few, traditional Chinese becomes simplified (the
vocabulary of the official model has no other).  What is left is ASCII, Chinese characters, a few
marks, and what the vocabulary may lack.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping

from indextts.stages.text.silences import is_silence
from indextts.stages.text.spans import Edit, Tracked

# What every later step knows: no need to look at it one by one.
_USUAL = " -~\n\u3400-\u9fff，。、—–…“”‘《》〈〉「」『』【】〔〕«»·−"
_UNUSUAL = re.compile(f"[^{_USUAL}]")

_TONE_BEHIND = re.compile("(?:e|an?|n)?[1-5](?![0-9])")

# character -> the same in plainer ones
_PLAIN: Mapping[str, str] = {
    **dict.fromkeys("‐‑﹣⁃", "-"),
    **dict.fromkeys("―⸺⸻─━﹘", "—"),
    **dict.fromkeys("‒", "–"),
    **dict.fromkeys("～〜∼˜∿", "~"),
    **dict.fromkeys("’‛ʼ＇′´ˈ", "'"),
    **dict.fromkeys("‹", "‘"),
    **dict.fromkeys("›", "'"),
    **dict.fromkeys("„‟〝", "“"),
    **dict.fromkeys("〞〟", "”"),
    **dict.fromkeys("″＂", '"'),
    **dict.fromkeys("∙‧・･⋅", "·"),
    **dict.fromkeys("⋯‥︙", "…"),
    **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("✕✖⨯", "×"),
    **dict.fromkeys("➕", "+"),
    **dict.fromkeys("➖", "−"),
    **dict.fromkeys("➗", "÷"),
    **dict.fromkeys("∶", ":"),
    **dict.fromkeys("º˚", "°"),
    "〇": "零",
    "㎡": "m²",
    "㎥": "m³",
    "㎢": "km²",
    "㎠": "cm²",
    "℃": "°C",
    "℉": "°F",
    "№": "No. ",
    "‼": "!!",
    "⁉": "!?",
    "⁈": "?!",
    "¿": "",
    "¡": "",
    "¹": "",  # a footnote; ² and ³ are kept, for units
    "ª": "",
    "ß": "ss",
    "ẞ": "SS",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "Th",
    "ı": "i",
    "ħ": "h",
    "Ħ": "H",
    "ŋ": "ng",
    "￥": "¥",
    "￡": "£",
    "￠": "¢",
    "，": "，",
}
_KEPT = frozenset("²³°‰™®©€£¥¢₹₽₩µΩ∞√≈≠≤≥±×÷→←•●○▪■◆◦‣§¶")
# Legitimate in simplified text too, mostly in names.
_NAME_CHARACTERS = frozenset("喆堃昇珮祐犇甦琯瑠槃澂脩邨頫叡濬氾郃鄘亀嘅哢坰垵棬湣耑苧蓧蜺郤齇")
# Their simplified form depends on the word: character, words that keep it, form elsewhere.
_BY_WORD: tuple[tuple[str, str, str], ...] = (
    ("甚", "甚至|甚而|甚或|甚多|甚少|甚是|甚为|甚高|甚大|甚好|不甚|太甚|为甚|更甚|尤甚", "什"),
    ("瞭", "瞭望", "了"),
    ("藉", "慰藉|狼藉|蕴藉|枕藉", "借"),
    ("徵", "宫商角徵羽", "征"),
    ("乾", "乾隆|乾坤|乾陵|乾卦|乾清|乾嘉|乾元|乾道", "干"),
    (
        "著",
        "著名|著作|著称|著者|著述|著书|著有|名著|巨著|原著|显著|昭著|卓著|编著|论著|专著|土著|所著|遗著|译著|合著",
        "着",
    ),
)
_FORMS = {character: form for character, _, form in _BY_WORD} | {"於": "于"}
_BY_WORD_PATTERN = re.compile("|".join((*(words for _, words, _ in _BY_WORD), *_FORMS)))
_TRADITIONAL_MARK = re.compile("[這們個來後說時會為對過還沒麼國學見聽話開車電請問題長]")


class CharacterFolder:
    """Folds a text; holds no state between calls.

    Args:
        simplified: traditional character -> simplified, one to one.
    """

    def __init__(self, simplified: Mapping[str, str]) -> None:
        self._simplified = {
            ord(old): new for old, new in simplified.items() if old not in _NAME_CHARACTERS
        }

    def fold(self, text: str) -> Tracked:
        """The text in plain characters."""
        folded = Tracked(text).apply(_plain_edits(text))
        plain = folded.text
        # Decided before the marks of traditional text are gone.
        traditional = bool(_TRADITIONAL_MARK.search(plain))
        plain = plain.translate(self._simplified)
        if traditional:
            plain = _simplify_by_word(plain)
        return Tracked(plain, folded.origin)


def simplified_table(simplify: Callable[[str], str]) -> dict[str, str]:
    """The characters that `simplify` changes, asked for in pieces of 64."""
    table: dict[str, str] = {}
    for begin in range(0x4E00, 0xA000, 64):
        block = "".join(map(chr, range(begin, begin + 64)))
        changed = simplify(block)
        if len(changed) == len(block):
            table |= {old: new for old, new in zip(block, changed, strict=True) if old != new}
    return table


def _simplify_by_word(text: str) -> str:
    return _BY_WORD_PATTERN.sub(lambda match: _FORMS.get(match[0], match[0]), text)


def _plain_edits(text: str) -> Iterator[Edit]:
    known: dict[str, str] = {}
    for match in _UNUSUAL.finditer(text):
        character = match[0]
        begin = match.start()
        if character == "\r" and text[begin + 1 : begin + 2] == "\n":
            yield Edit(begin, begin + 1, "")
            continue
        if character in "üÜ" and _TONE_BEHIND.match(text, begin + 1):
            yield Edit(begin, begin + 1, "v")  # of pinyin, as the vocabulary has it
            continue
        new = known.get(character)
        if new is None:
            new = known[character] = _plain(character)
        if new != character:
            if "/" in new and text[begin - 1 : begin].isdecimal():
                new = " " + new  # 2½ is 2 1/2
            yield Edit(begin, begin + 1, new)


def _plain(character: str) -> str:
    if character in _KEPT or is_silence(character):
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    category = unicodedata.category(character)
    if category in ("Zl", "Zp") or character in "\v\f\r\x85":
        return "\n"
    if category == "Zs" or character == "\t":
        return " "
    if category[0] == "C" or category in ("Mn", "Me"):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("No", "Nl"):
        return _number_sign(character)
    apart = unicodedata.normalize("NFKD", character)
    letters = "".join(c for c in apart if unicodedata.category(c) != "Mn")
    if letters.isascii() and letters:
        return letters
    if category == "So" or character >= "\U0001f000":
        return "\u2022" if character in "▶►➤➢➔✔✓☑✅" else _picture(character)
    return unicodedata.normalize("NFKC", character)


def _picture(character: str) -> str:
    """Emoji and drawn signs are silent: one sign stands for all of them."""
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain[0].isalnum() else PICTURE


PICTURE = "☺"


def _number_sign(character: str) -> str:
    """Circled, raised, lowered, Roman and broken numbers."""
    form = unicodedata.decomposition(character)
    plain = unicodedata.normalize("NFKC", character).replace("\u2044", "/")
    if form.startswith("<super>"):
        return "^" + plain
    if form.startswith(("<sub>", "<fraction>")):
        return plain
    value = unicodedata.numeric(character, None)
    if value is None or value != int(value):
        return plain
    return str(int(value)) if unicodedata.category(character) == "Nl" else f" {int(value)}，"
