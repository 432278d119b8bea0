"""The tables of rules of each language, by what a reading begins with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from indextts.stages.text.glossary import Language
from indextts.stages.text.natural import (
    chinese_amounts,
    chinese_codes,
    chinese_counts,
    chinese_times,
    english_amounts,
    english_codes,
    english_counts,
    english_times,
    english_words,
)
from indextts.stages.text.natural.addresses import address_rules
from indextts.stages.text.natural.chinese_numbers import digits as chinese_digits
from indextts.stages.text.natural.chinese_numbers import name as chinese_name
from indextts.stages.text.natural.english_codes import code_words, version
from indextts.stages.text.natural.english_numbers import cardinal, pairs
from indextts.stages.text.natural.rules import Rule, after, before, listed
from indextts.stages.text.natural.units import UNITS

_GREEK = listed(
    """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau
upsilon phi chi psi omega
"""
)
_GREEK_LETTERS = "αβγδεζηθικλμνξοπρστυφχψω"
_GREEK_NAMES = {
    **dict(zip(_GREEK_LETTERS, _GREEK, strict=True)),
    **dict(zip(_GREEK_LETTERS.upper(), _GREEK, strict=True)),
    "ς": "sigma",
    "µ": "mu",
    "Ω": "omega",
}
_CODE = re.compile(
    r"(?P<letters>[A-Za-z]{1,20})(?P<number>\d{1,12})(?P<more>(?:\.\d{1,6}){0,4})"
    r"(?P<tail>[A-Za-z0-9]{0,12})(?![A-Za-z0-9])"
)
# Rules for English words that hold inside Chinese text too.
_ALSO_IN_CHINESE = ("title", "degree", "abbreviation", "initials", "initial", "contraction")
_LONE_UNIT = re.compile(r"(?:(?:[ckm]?m)²|(?:[ck]?m)³)(?![A-Za-z])")
_ROMAN = re.compile(r"(?P<numeral>[IVXL]{1,6})(?![A-Za-z0-9])")
_LANGUAGE_NAME = re.compile(r"(?P<letter>[CFJ])(?P<sign>\+\+|#)(?![A-Za-z0-9])")


@dataclass(frozen=True)
class Tables:
    """The rules of a language.

    Attributes:
        numbers: begin with a digit, a sign or a currency.
        words: begin with a letter.
        codes: begin with letters that a digit follows.
        sums: begin with a sign between two numbers.
        addresses: see :func:`address_rules`.
        signs: sign -> its name; empty for silent ones.
    """

    numbers: tuple[Rule, ...]
    words: tuple[Rule, ...]
    codes: tuple[Rule, ...]
    sums: tuple[Rule, ...]
    addresses: tuple[Rule, ...]
    signs: Mapping[str, str]


def _english_code(match: re.Match[str]) -> str:
    letters, tail = match["letters"], match["tail"]
    if match["more"]:
        middle = version(match["number"] + match["more"])
        return f"{letters} {middle} {code_words(tail)}".rstrip()
    return code_words(match[0])


def _chinese_code(match: re.Match[str]) -> str:
    number, more, tail = match["number"], match["more"], match["tail"]
    if more:
        words = "点".join(
            chinese_digits(part) if part[0] == "0" or len(part) > 2 else chinese_name(part)
            for part in (number + more).split(".")
        )
    elif len(number) > 4 or match["letters"] == "IP" or (len(number) > 2 and _dialled(match)):
        words = chinese_digits(number, yao=True)
    else:
        words = chinese_name(number)
    rest = "".join(
        chinese_name(part) if part.isdecimal() else part
        for part in re.findall(r"\d+|[A-Za-z]+", tail)
    )
    return f"{match['letters']}{words}{rest}"


def _chinese_roman(match: re.Match[str]) -> str | None:
    value = english_words.roman_value(match["numeral"])
    counted = before(match, 1) == "第" or re.match(r" ?[型期级类卷章部代世]", after(match, 2))
    if value is None or not counted or match["numeral"] in ("V", "X", "L"):
        return None
    return chinese_name(str(value))


def _dialled(match: re.Match[str]) -> bool:
    """Whether the code is a train's, a flight's or a car's."""
    return bool(
        re.match(r"次|号|航班|车|列", after(match, 2))
        or re.search(r"(?:航班|车次|列车|车牌|车牌号|班机)(?:号|是|为)?.?$", before(match, 6))
    )


def _language_name(match: re.Match[str], sharp: str, plus: str) -> str:
    return f"{match['letter']} {sharp if match['sign'] == '#' else plus}"


def english_tables() -> Tables:
    early = tuple(r for r in english_times.TIME_RULES if r.name not in ("era", "year"))
    late = tuple(r for r in english_times.TIME_RULES if r.name in ("era", "year"))
    counts = english_counts.COUNT_RULES
    return Tables(
        numbers=(
            *english_counts.IDIOM_RULES,
            *early,
            *english_codes.CODE_RULES,
            *english_amounts.AMOUNT_RULES,
            *late,
            *counts[:-1],
            *english_codes.MIXED_RULES,
            counts[-1],
        ),
        words=(*english_words.WORD_RULES, *english_times.MONTH_RULES),
        codes=(
            Rule(
                "language of programs",
                _LANGUAGE_NAME,
                lambda match: _language_name(match, "sharp", "plus plus"),
                {"C++ or C#?": "C plus plus or C sharp?"},
            ),
            Rule(
                "unit by itself",
                _LONE_UNIT,
                lambda match: UNITS[match[0]].one,
                {"price per m² rose": "price per square meter rose"},
            ),
            Rule(
                "code with a dot",
                re.compile(r"(?P<letter>[A-Z])\.(?P<number>\d{3,4})(?!\d)"),
                lambda match: f"{match['letter']} {pairs(match['number'])}",
                {"Use H.264 here": "Use H two sixty four here"},
            ),
            Rule(
                "code",
                _CODE,
                _english_code,
                {
                    "A4 and H100": "A four and H one hundred",
                    "Wan2.1 is v2.3.1": "Wan two point one is v two point three point one",
                },
            ),
        ),
        sums=english_counts.SUM_RULES,
        addresses=address_rules("en"),
        signs={
            **{letter: f" {word} " for letter, word in _GREEK_NAMES.items()},
            "&": " and ",
            "@": " at ",
            "%": " percent ",
            "‰": " per mille ",
            "+": " plus ",
            "=": " equals ",
            "≠": " is not ",
            "≈": " about ",
            "≤": " less than or equal to ",
            "≥": " greater than or equal to ",
            "±": " plus or minus ",
            "×": " times ",
            "÷": " divided by ",
            "−": " minus ",
            "√": " square root of ",
            "∞": " infinity ",
            "°": " degrees ",
            "§": " section ",
            "€": " euro ",
            "£": " pound ",
            "$": " dollar ",
            "¥": " yuan ",
            "©": " copyright ",
            "²": " squared ",
            "³": " cubed ",
            "/": " ",
            "_": " ",
            "\\": " ",
        },
    )


def chinese_tables() -> Tables:
    counts = chinese_counts.COUNT_RULES
    count = tuple(r for r in chinese_amounts.AMOUNT_RULES if r.name == "count")
    amounts = tuple(r for r in chinese_amounts.AMOUNT_RULES if r.name != "count")
    return Tables(
        numbers=(
            *(r for r in counts if r.name in ("idiom", "score")),
            *(r for r in chinese_times.TIME_RULES if r.name == "date"),
            *chinese_codes.CODE_RULES,
            *(r for r in chinese_times.TIME_RULES if r.name != "date"),
            *amounts,
            *count,
            *(r for r in counts if r.name not in ("idiom", "score")),
        ),
        words=(
            Rule(
                "number one",
                re.compile(r"N[oO]\. ?(?P<number>\d{1,3})(?!\d)"),
                lambda match: f"number {cardinal(match['number'])}",
                {"这是No.1的选择": "这是number one的选择"},
            ),
            *(rule for rule in english_words.WORD_RULES if rule.name in _ALSO_IN_CHINESE),
            Rule(
                "Roman numeral",
                _ROMAN,
                _chinese_roman,
                {"第IV卷": "第四卷", "I型和II型": "一型和二型"},
            ),
        ),
        codes=(
            Rule(
                "unit by itself",
                _LONE_UNIT,
                lambda match: UNITS[match[0]].zh,
                {"每㎡5万元": "每平方米五万元"},
            ),
            Rule(
                "language of programs",
                _LANGUAGE_NAME,
                lambda match: _language_name(match, "sharp", "加加"),
                {"学C++和C#": "学C 加加和C sharp"},
            ),
            Rule(
                "code",
                _CODE,
                _chinese_code,
                {
                    "用A4纸": "用A四纸",
                    "升级到v2.3.1": "升级到v二点三点一",
                    "坐G1234次": "坐G幺二三四次",
                    "买H100卡": "买H一百卡",
                },
            ),
        ),
        sums=chinese_counts.SUM_RULES,
        addresses=address_rules("zh"),
        signs={
            **{letter: f" {word} " for letter, word in _GREEK_NAMES.items()},
            "&": "和",
            "@": "艾特",
            "%": "百分号",
            "‰": "千分号",
            "+": "加",
            "=": "等于",
            "≠": "不等于",
            "≈": "约等于",
            "≤": "小于等于",
            "≥": "大于等于",
            "±": "正负",
            "×": "乘",
            "÷": "除以",
            "−": "减",
            "√": "根号",
            "∞": "无穷大",
            "°": "度",
            "€": "欧元",
            "£": "英镑",
            "$": "美元",
            "¥": "元",
            "²": "的平方",
            "³": "的立方",
            "/": ",",
            "_": " ",
            "\\": " ",
        },
    )


def tables_of(language: Language) -> Tables:
    """The rules of a language."""
    return english_tables() if language == "en" else chinese_tables()
