"""English: fractions, ratios, scores, ranges, sums, ordinals and plain numbers."""

from __future__ import annotations

import re

from indextts.stages.text.natural.english_amounts import NUMBER
from indextts.stages.text.natural.english_numbers import cardinal, digits, fraction, number, ordinal
from indextts.stages.text.natural.rules import Rule, alternatives, before
from indextts.stages.text.natural.units import GLUED_ONLY, UNITS

_ORDINAL = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+|\d{1,6})(?:st|nd|rd|th|ST|ND|RD|TH)(?![A-Za-z])"
)
_UNIT = alternatives(symbol for symbol in UNITS if symbol not in GLUED_ONLY and symbol != "%")
_FRACTION = re.compile(
    r"(?:(?P<whole>\d{1,4})[ -](?:and )?)?(?P<top>\d{1,3})/(?P<bottom>\d{1,3})"
    rf"(?:(?P<unit> ?{_UNIT})(?![A-Za-z0-9]))?(?![\dA-Za-z]|[/.,]\d| ?(?:Hz|V|A)\b)"
)
_RATIO = re.compile(r"(?P<a>\d{1,4}(?:\.\d)?):(?P<b>\d{1,4}(?:\.\d)?)(?P<c>:\d{1,4})?(?!\d|:\d)")
_SPAN = re.compile(
    rf"(?P<low>{NUMBER})(?: ?[–—~] ?|-)(?P<high>{NUMBER})(?P<third>-\d{{1,3}})?(?![\d]|-\d)"
)
_SIZE = re.compile(
    r"(?P<a>\d{1,6}(?:\.\d{1,3})?)(?: ?[x×] ?| by )(?P<b>\d{1,6}(?:\.\d{1,3})?)"
    r"(?: ?[x×] ?(?P<c>\d{1,6}(?:\.\d{1,3})?))?(?![\dA-Za-z])"
)
_TIMES = re.compile(rf"(?P<number>{NUMBER}) ?[x×](?![A-Za-z0-9])")
_POWER = re.compile(rf"(?P<base>{NUMBER})(?:\^(?P<exponent>[-−]?\d{{1,3}})|(?P<raised>[²³]))(?!\d)")
_SUM = re.compile(
    r"(?P<sign>\+|÷|×|\*|=|−|-|/|<=|>=|<|>|≤|≥|≠|≈) (?=[-−]?\.?\d|[A-Za-z]\b)|"
    r"(?P<tight>[+÷×*=≠≈])(?=\d)"
)
_SUM_WORDS = {
    "+": "plus",
    "-": "minus",
    "−": "minus",
    "÷": "divided by",
    "×": "times",
    "*": "times",
    "/": "divided by",
    "=": "equals",
    "<": "less than",
    ">": "greater than",
    "≤": "less than or equal to",
    "<=": "less than or equal to",
    "≥": "greater than or equal to",
    ">=": "greater than or equal to",
    "≠": "is not",
    "≈": "about",
}
# 1e-5; also for Chinese.
SCIENTIFIC = re.compile(
    r"(?P<base>\d{1,6}(?:\.\d{1,6})?)[eE](?P<power>[-−+]?\d{1,3})"
    r"(?![A-Za-z0-9])"
)
# "-m", "--verbose"; also for Chinese.
OPTION = re.compile(r"(?<= )(?:-(?=[A-Za-z](?![A-Za-z]))|--(?=[a-z][a-z-]))")
_COMPOUND = re.compile(r"(?P<number>\d{1,6})-(?=[A-Za-z])")
_PLUS = re.compile(rf"(?P<number>{NUMBER})\+(?![\d+])")
_SIGNED = re.compile(rf"(?P<sign>[-–−+±~≈#])(?P<number>{NUMBER}|\.\d++)")
_PLAIN = re.compile(rf"{NUMBER}|\.\d++|\d++")
_SIGN_WORDS = {
    "-": "minus",
    "−": "minus",
    "–": "minus",
    "+": "plus",
    "±": "plus or minus",
    "~": "about",
    "≈": "about",
    "#": "number",
}
# Said as they are written, whatever the rules say.
_IDIOMS = {
    "24/7": "twenty four seven",
    "24/7/365": "twenty four seven three sixty five",
    "9/11": "nine eleven",
    "7/11": "seven eleven",
    "50/50": "fifty fifty",
    "50-50": "fifty fifty",
    "20/20": "twenty twenty",
    "80/20": "eighty twenty",
    "4x4": "four by four",
    "1-on-1": "one on one",
    "911": "nine one one",
    "007": "double oh seven",
    "747": "seven forty seven",
}
_IDIOM = re.compile(rf"(?P<idiom>{alternatives(_IDIOMS)})(?![\w/]|[-.,:]\d|%)")


def _idiom(match: re.Match[str]) -> str:
    return _IDIOMS[match["idiom"]]


def _scientific(match: re.Match[str]) -> str:
    power = number(match["power"])
    return f"{number(match['base'])} times ten to the power of {power}"


def _ordinal(match: re.Match[str]) -> str:
    return ordinal(match["number"])


def _fraction(match: re.Match[str]) -> str | None:
    words = _part(match["top"], match["bottom"])
    if match["whole"]:
        if words is None:
            return None
        whole = cardinal(match["whole"])
        words = f"{whole} and {'a half' if words == 'one half' else words}"
    elif words is None:
        words = f"{cardinal(match['top'])} over {cardinal(match['bottom'])}"
    if match["unit"] is None:
        return words
    unit = UNITS[match["unit"].strip()]
    return f"{words} {unit.many if match['whole'] else unit.one}"


def _part(top: str, bottom: str) -> str | None:
    """ "3", "4" -> "three quarters"; None for what nobody calls a part."""
    if "0" in (top[0], bottom[0]) or int(bottom) < 2 or int(top) > int(bottom):
        return None
    if int(bottom) > 16 and int(bottom) % 10:
        return f"{cardinal(top)} out of {cardinal(bottom)}"
    return fraction(top, bottom) if int(top) <= 20 else None


def _ratio(match: re.Match[str]) -> str:
    parts = [match["a"], match["b"], *([match["c"][1:]] if match["c"] else [])]
    return " to ".join(map(number, parts))


def _span(match: re.Match[str]) -> str | None:
    if match["third"]:
        return None
    low, high = match["low"], match["high"]
    if low[0] == "0" and len(low) > 1 and "." not in low:
        return f"{digits(low)}, {digits(high)}"
    return f"{number(low)} to {number(high)}"


def _size(match: re.Match[str]) -> str:
    parts = [part for part in (match["a"], match["b"], match["c"]) if part]
    return " by ".join(map(number, parts))


def _times(match: re.Match[str]) -> str:
    return f"{number(match['number'])} times"


def _power(match: re.Match[str]) -> str:
    base = number(match["base"])
    if match["raised"]:
        return f"{base} {'squared' if match['raised'] == '²' else 'cubed'}"
    exponent = match["exponent"]
    if exponent in ("2", "3"):
        return f"{base} {'squared' if exponent == '2' else 'cubed'}"
    return f"{base} to the power of {number(exponent)}"


def _sum(match: re.Match[str]) -> str | None:
    front = before(match, 6)
    if not re.search(r"(?:\d|\b[A-Za-z]|\))[%²³]? ?$", front):
        return None
    return f" {_SUM_WORDS[match['sign'] or match['tight']]} "


def _compound(match: re.Match[str]) -> str:
    return cardinal(match["number"]) + "-"


def _plus(match: re.Match[str]) -> str:
    return f"{number(match['number'])} plus"


def _signed(match: re.Match[str]) -> str | None:
    if match["sign"] != "#" and re.search(r"[A-Za-z0-9)]$", before(match, 1)):
        return None
    if match["sign"] == "#" and len(match["number"]) >= 4 and match["number"].isdecimal():
        return f"number {digits(match['number'])}"
    return f"{_SIGN_WORDS[match['sign']]} {number(match['number'])}"


def _plain(match: re.Match[str]) -> str:
    return number(match[0])


IDIOM_RULES: tuple[Rule, ...] = (
    Rule(
        "idiom",
        _IDIOM,
        _idiom,
        {"Open 24/7 since 9/11.": "Open twenty four seven since nine eleven."},
    ),
)

COUNT_RULES: tuple[Rule, ...] = (
    Rule(
        "power of ten",
        SCIENTIFIC,
        _scientific,
        {"a rate of 1e-5": "a rate of one times ten to the power of minus five"},
    ),
    Rule("ordinal", _ORDINAL, _ordinal, {"the 21st century": "the twenty first century"}),
    Rule(
        "fraction",
        _FRACTION,
        _fraction,
        {"1/2 cup and 3/4": "one half cup and three quarters", "2 1/2 cups": "two and a half cups"},
    ),
    Rule(
        "size",
        _SIZE,
        _size,
        {
            "a 1920x1080 screen": "a one thousand nine hundred and twenty by one thousand and"
            " eighty"
            " screen"
        },
    ),
    Rule("times", _TIMES, _times, {"4x faster": "four times faster"}),
    Rule("power", _POWER, _power, {"10^6 or 5²": "ten to the power of six or five squared"}),
    Rule("ratio", _RATIO, _ratio, {"a ratio of 3:2": "a ratio of three to two"}),
    Rule(
        "range or score",
        _SPAN,
        _span,
        {"They won 3-2.": "They won three to two.", "pages 10–12": "pages ten to twelve"},
    ),
    Rule("number in a compound", _COMPOUND, _compound, {"a 3-year-old": "a three-year-old"}),
    Rule("and more", _PLUS, _plus, {"over 500+ items": "over five hundred plus items"}),
    Rule(
        "signed number",
        _SIGNED,
        _signed,
        {"from -5 to +3": "from minus five to plus three", "the #5 spot": "the number five spot"},
    ),
    Rule(
        "number", _PLAIN, _plain, {"I have 12 and 3.14": "I have twelve and three point one four"}
    ),
)

SUM_RULES: tuple[Rule, ...] = (
    Rule(
        "option of a program",
        OPTION,
        lambda match: "dash " * len(match[0]),
        {"run it -v or --all": "run it dash v or dash dash all"},
    ),
    Rule("sum", _SUM, _sum, {"So 5 + 3 = 8": "So five plus three equals eight"}),
)
