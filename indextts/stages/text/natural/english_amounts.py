"""English: money, percentages, temperatures, measures, and ranges of them."""

from __future__ import annotations

import re

from indextts.stages.text.natural.english_numbers import cardinal, number
from indextts.stages.text.natural.rules import Rule, after, alternatives, before
from indextts.stages.text.natural.units import CURRENCIES, GLUED_ONLY, RATES, UNITS, Currency

# Thousands with commas, or a plain run of digits; then decimals.  No part of a version.
NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d|,\d)|\d++)(?:\.\d++)?+(?!\.\d)"
DASH = r"(?: ?[-–—~−] ?| to )"
_SIGN = r"(?P<sign>[-–−+±~≈<>≤≥]|<=|>=)? ?"
_SIGN_WORDS = {
    "-": "minus ",
    "−": "minus ",
    "–": "minus ",
    "+": "plus ",
    "±": "plus or minus ",
    "~": "about ",
    "≈": "about ",
    "<": "less than ",
    ">": "more than ",
    "≤": "at most ",
    "<=": "at most ",
    "≥": "at least ",
    ">=": "at least ",
    "": "",
}
_SCALES = {
    "k": "thousand",
    "K": "thousand",
    "M": "million",
    "m": "million",
    "mn": "million",
    "mm": "million",
    "B": "billion",
    "b": "billion",
    "bn": "billion",
    "T": "trillion",
    "tn": "trillion",
    "thousand": "thousand",
    "million": "million",
    "billion": "billion",
    "trillion": "trillion",
}
_CURRENCY = alternatives(CURRENCIES)
_MONEY = re.compile(
    rf"(?P<sign>[-–−+~≈<>])?(?P<currency>{_CURRENCY}) ?(?P<low>{NUMBER})"
    rf"(?: ?(?P<lowscale>{alternatives(_SCALES)})(?![A-Za-z0-9]))?"
    rf"(?:{DASH}(?:{_CURRENCY})?(?P<high>{NUMBER})"
    rf"(?: ?(?P<scale>{alternatives(_SCALES)})(?![A-Za-z0-9]))?)?"
    rf"(?P<plus>\+)?(?:/(?P<rate>{alternatives(RATES)})(?![A-Za-z0-9]))?(?![\d])"
)
_MONEY_BEHIND = re.compile(
    rf"(?P<sign>[-–−+~≈<>])?(?P<low>{NUMBER})"
    rf"(?:{DASH}(?P<high>{NUMBER}))? ?(?P<currency>{_CURRENCY}|¢)(?![A-Za-z0-9])"
)
_LETTER_UNITS = alternatives(UNITS)
_MEASURE = re.compile(
    rf"{_SIGN}(?P<low>{NUMBER}|\.\d++)"
    rf"(?:(?: ?(?P<lowunit>{_LETTER_UNITS}))?{DASH}(?P<highsign>[-−+])?(?P<high>{NUMBER}))?"
    rf"(?P<gap> |-)?(?P<unit>{_LETTER_UNITS})(?:(?:/| per )(?P<rate>{alternatives(RATES)}))?"
    r"(?![A-Za-z0-9²³])"
)
_FEET = re.compile(r"(?P<feet>\d{1,2})'(?: ?(?P<inches>\d{1,2}(?:\.\d)?)(?:\"|''|”))")
_INCHES = re.compile(rf"(?P<low>{NUMBER})(?:-inch| ?in\.(?= [a-z])|\"(?= [a-z])|in(?![A-Za-z0-9]))")
_SCALED = re.compile(
    rf"{_SIGN}(?P<low>{NUMBER}) ?(?P<scale>M|bn|million|billion|trillion|thousand)"
    r"(?P<plus>\+)?(?![A-Za-z0-9])"
)
# Before a noun the unit is an adjective: "a five dollar note".
_ARTICLE = re.compile(
    r"\b(?:an?|the|this|that|another|each|every|his|her|our|your|my|\w+'s) $", re.IGNORECASE
)
_NOUN = re.compile(
    r"[ -](?!(?:of|in|per|and|or|to|for|from|with|at|on|off|by|as|is|was|each"
    r"|more|less|than|that|this|the|a|it|he|we)\b)[a-z]"
)


def _is_adjective(match: re.Match[str]) -> bool:
    return bool(_ARTICLE.search(before(match)) and _NOUN.match(after(match)))


def _money(match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    symbol = groups["currency"]
    low, high = groups["low"], groups.get("high")
    sign = _SIGN_WORDS[groups["sign"] or ""]
    if symbol == "¢":
        return f"{sign}{_range(low, high)} {'cent' if low == '1' and not high else 'cents'}"
    currency = CURRENCIES[symbol]
    scale = groups.get("scale") or groups.get("lowscale")
    if high and ("." in low or "." in high) and not scale:
        words = f"{_sum(low, currency)} to {_sum(high, currency)}"
    elif high:
        first = number(low) + (f" {_SCALES[groups['lowscale']]}" if groups.get("lowscale") else "")
        last = number(high) + (f" {_SCALES[groups['scale']]}" if groups.get("scale") else "")
        words = f"{first} to {last} {currency.many}"
    elif scale:
        name = currency.one if _is_adjective(match) else currency.many
        words = f"{number(low)} {_SCALES[scale]} {name}"
    elif "." not in low and _is_adjective(match):
        words = f"{number(low)} {currency.one}"
    else:
        words = _sum(low, currency)
    if groups.get("plus"):
        words += " plus"
    if groups.get("rate"):
        words += f" per {RATES[groups['rate']][0]}"
    return sign + words


def _sum(text: str, currency: Currency) -> str:
    """ "5.99" -> "five dollars and ninety nine cents"."""
    whole, _, part = text.partition(".")
    if len(part) != 2 or not currency.cent:
        return f"{number(text)} {currency.one if text == '1' else currency.many}"
    cents = "" if part == "00" else _few(part.lstrip("0"), currency.cent, currency.cents)
    if whole.strip("0") == "" and cents:
        return cents
    main = f"{cardinal(whole)} {currency.one if whole == '1' else currency.many}"
    return f"{main} and {cents}" if cents else main


def _few(text: str, one: str, many: str) -> str:
    return f"{cardinal(text)} {one if text == '1' else many}"


def _range(low: str, high: str | None) -> str:
    return f"{number(low)} to {number(high)}" if high else number(low)


def _measure(match: re.Match[str]) -> str | None:
    symbol, gap = match["unit"], match["gap"]
    if (
        gap
        and symbol in GLUED_ONLY
        and "." not in match["low"]
        and not (match["rate"] and "/" in match[0])
    ):
        return None
    if gap == "-" and not symbol.isalpha():
        return None
    low, high = match["low"], match["high"]
    if symbol == "s" and len(low) >= 2 and low.endswith("0"):
        return None  # the 90s
    unit = UNITS[symbol]
    words = _SIGN_WORDS[match["sign"] or ""] + number(low)
    if high:
        words += f" to {_SIGN_WORDS[match['highsign'] or '']}{number(high)}"
    if match["lowunit"] and match["lowunit"] != symbol:
        first = UNITS[match["lowunit"]]
        words = words.replace(" to ", f" {first.many} to ", 1)
    one = (low == "1" and not high) or gap == "-" or _is_adjective(match)
    words += f" {unit.one if one else unit.many}"
    return words + (f" per {RATES[match['rate']][0]}" if match["rate"] else "")


def _feet(match: re.Match[str]) -> str:
    feet, inches = match["feet"], match["inches"]
    words = f"{cardinal(feet)} {'foot' if feet == '1' else 'feet'}"
    return f"{words} {number(inches)}" if inches != "0" else words


def _inches(match: re.Match[str]) -> str:
    one = match["low"] == "1" or match[0].endswith("-inch")
    return f"{number(match['low'])} {'inch' if one else 'inches'}"


def _scaled(match: re.Match[str]) -> str:
    plus = " plus" if match["plus"] else ""
    sign = _SIGN_WORDS[match["sign"] or ""]
    return f"{sign}{number(match['low'])} {_SCALES[match['scale']]}{plus}"


def _percentage_points(match: re.Match[str]) -> str:
    low = f"{_SIGN_WORDS[match['sign'] or '']}{number(match['low'])}"
    return f"{low} to {_SIGN_WORDS[match['highsign'] or '']}{number(match['high'])} percent"


_PERCENT_RANGE = re.compile(
    rf"(?P<sign>[-–−+~≈<>])?(?P<low>{NUMBER}) ?%?{DASH}(?P<highsign>[-−+])?(?P<high>{NUMBER}) ?%"
)

AMOUNT_RULES: tuple[Rule, ...] = (
    Rule(
        "money",
        _MONEY,
        _money,
        {
            "It costs $5.99.": "It costs five dollars and ninety nine cents.",
            "£1 or €2.50": "one pound or two euros and fifty cents",
            "a $1.2B deal": "a one point two billion dollar deal",
            "$5-$10 each": "five to ten dollars each",
            "a loss of -$300": "a loss of minus three hundred dollars",
            "$20/hour": "twenty dollars per hour",
            "US$1,000": "one thousand US dollars",
        },
    ),
    Rule(
        "money behind its number",
        _MONEY_BEHIND,
        _money,
        {"It is 20€ now.": "It is twenty euros now.", "50 USD": "fifty US dollars"},
    ),
    Rule(
        "range of percentages",
        _PERCENT_RANGE,
        _percentage_points,
        {"up 10%-20% now": "up ten to twenty percent now", "up 3–5%": "up three to five percent"},
    ),
    Rule(
        "feet and inches",
        _FEET,
        _feet,
        {"He is 5'10\" tall.": "He is five feet ten tall."},
    ),
    Rule(
        "inches",
        _INCHES,
        _inches,
        {"a 27-inch screen": "a twenty seven inch screen"},
    ),
    Rule(
        "measure",
        _MEASURE,
        _measure,
        {
            "Add 50g of salt.": "Add fifty grams of salt.",
            "at 10 km/h": "at ten kilometers per hour",
            "it was −10°C": "it was minus ten degrees Celsius",
            "1 kg or 2.5kg": "one kilogram or two point five kilograms",
            "20-25 °C": "twenty to twenty five degrees Celsius",
            "30 m² of floor": "thirty square meters of floor",
            "16GB of memory": "sixteen gigabytes of memory",
            "up 3.5% today": "up three point five percent today",
        },
    ),
    Rule(
        "large number",
        _SCALED,
        _scaled,
        {"5M users": "five million users", "1.5 billion people": "one point five billion people"},
    ),
)
