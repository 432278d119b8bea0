"""English: numbers that are names, read digit by digit or in groups."""

from __future__ import annotations

import re

from indextts.stages.text.natural.english_numbers import cardinal, digits, number, pairs
from indextts.stages.text.natural.rules import Rule, after, before

# Words that say that the digits behind them are dialled, typed or copied.
_PHONE_CUE = re.compile(
    r"\b(?:call|calls|phone|tel|telephone|text|fax|dial|mobile|cell|hotline|whatsapp|sms|reach|ring"
    r"|contact|helpline|number)\b",
    re.IGNORECASE,
)
_CODE_CUE = re.compile(
    r"\b(?:code|pin|zip|id|order|account|acct|ticket|tracking|invoice|serial|password|passcode"
    r"|extension|ext|otp|postcode|postal code|reference|ref|case|po box|p o box"
    r"|box|card|badge|member"
    r"|booking|confirmation|ending in|ends in|last four digits|policy|licen[sc]e"
    r"|part|sku|model|port)"
    r"(?: (?:number|no\.?|num|code|is|was|id|#))?(?: is)?[:#]? ?#?$",
    re.IGNORECASE,
)
_PLACE_CUE = re.compile(
    r"\b(?:room|rm|suite|apartment|apt|unit|flight|highway|hwy|route|boeing|airbus|bus|gate|area|channel"
    r"|interstate|error|error code|status|http|class|locker)(?: (?:number|no\.?))? $",
    re.IGNORECASE,
)
_VERSION_CUE = re.compile(
    r"\b(?:version|ver|python|node|java|php|ruby|go|rust|ios|ipados|android|ubuntu|debian|fedora|macos"
    r"|windows|chrome|firefox|cuda|pytorch|torch|release|build|v|kernel|linux|django|postgres|postgresql"
    r"|mysql|redis|kubernetes|docker|gcc|cmake|llama|qwen|gpt|claude|gemini|wan)[ -]v?$",
    re.IGNORECASE,
)
_SERIES = re.compile(
    r"\b(?:RTX|GTX|RX|GT|Ryzen \d|Core i\d|i\d-|Radeon|GeForce|Xeon|EPYC|Threadripper) $"
)

_PHONE = re.compile(
    r"(?P<plus>\+)?\(?(?P<first>\d{1,5})\)?(?P<rest>(?:[ .-]\(?\d{2,8}\)?){1,5})"
    r"(?![\d%]|[.,]\d| ?[:/]\d)"
    r"(?: ?(?:ext\.?|x) ?(?P<ext>\d{1,6}))?"
)
_PLUS_PHONE = re.compile(r"\+(?P<all>\d{7,15})(?!\d)")
_CARD = re.compile(r"(?P<all>\d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?:(?P=gap)\d{1,7})?)(?![\d-])")
_SSN = re.compile(r"(?P<all>\d{3}-\d{2}-\d{4})(?![\d-])")
_ISBN = re.compile(r"(?P<all>97[89]-\d{1,5}-\d{1,7}-\d{1,7}-\d)(?![\d-])")
_ADDRESS = re.compile(
    r"(?P<ip>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?P<mask>/\d{1,2})?(?::(?P<port>\d{1,5}))?(?![\d.]{0,8}\d)"
)
_VERSION = re.compile(
    r"(?P<all>\d{1,6}(?:\.\d{1,6}){2,4})(?P<tail>(?:-?(?:rc|alpha|beta|a|b|dev)\.?\d{0,3})?)(?![\d])"
)
_SHORT_VERSION = re.compile(r"(?P<all>\d{1,4}\.\d{1,4})(?![\d%.]{0,8}\d)")
_LONG = re.compile(r"(?P<all>\d{4,})(?![\d]|[.,]\d|[A-Za-z%])")
_NAMED = re.compile(r"(?P<all>\d{3,4})(?![\d]|[.,:]\d|%)")
_MIXED = re.compile(r"(?P<code>(?=[0-9]{1,20}[A-Za-z])[A-Za-z0-9]{2,40})(?![A-Za-z0-9])")
_PART = re.compile(r"[A-Za-z]+|\d+")
# Bare digits beyond this are no quantity unless they are round.
_LONGEST_COUNT = 9


def grouped(text: str) -> str:
    """ "555-123 4567" -> the digits, a comma between the groups."""
    return ", ".join(digits(group) for group in re.findall(r"\d+", text))


def _phone(match: re.Match[str]) -> str | None:
    groups = re.findall(r"\d+", match["first"] + match["rest"])
    sizes = [len(group) for group in groups]
    total = sum(sizes)
    if not 7 <= total <= 15:
        return None
    sure = bool(match["plus"]) or match[0].startswith("(")
    cued = bool(_PHONE_CUE.search(before(match, 60)))
    thousands = all(size == 3 for size in sizes[1:]) and sizes[0] <= 3 and " " in match["rest"]
    shaped = (
        sizes[1:] == [3, 4]
        or sizes == [1, 3, 3, 4]
        or (match["first"][0] == "0" and total >= 9)
        or (match["first"] in ("1300", "1800") and total == 10)
    )
    if not (sure or shaped or (cued and not thousands and total >= 7)):
        return None
    words = ("plus " if match["plus"] else "") + ", ".join(map(digits, groups))
    return f"{words}, extension {digits(match['ext'])}" if match["ext"] else words


def _plus_phone(match: re.Match[str]) -> str:
    text = match["all"]
    return "plus " + ", ".join(digits(text[i : i + 4]) for i in range(0, len(text), 4))


def _grouped(match: re.Match[str]) -> str:
    return grouped(match["all"])


def _address(match: re.Match[str]) -> str | None:
    parts = match["ip"].split(".")
    if any(int(part) > 255 for part in parts):
        return None
    words = " dot ".join(pairs(p) if len(p) == 3 and p[1:] != "00" else cardinal(p) for p in parts)
    if match["mask"]:
        words += f" slash {cardinal(match['mask'][1:])}"
    return f"{words} port {digits(match['port'])}" if match["port"] else words


def version(text: str) -> str:
    """ "2.3.11" -> "two point three point eleven"."""
    return " point ".join(
        digits(part) if part[0] == "0" or len(part) > 3 else cardinal(part)
        for part in text.split(".")
    )


def _version(match: re.Match[str]) -> str:
    return version(match["all"]) + (f" {code_words(match['tail'])}" if match["tail"] else "")


def _short_version(match: re.Match[str]) -> str | None:
    if not _VERSION_CUE.search(before(match)):
        return None
    return version(match["all"])


def _long(match: re.Match[str]) -> str | None:
    text = match["all"]
    if _CODE_CUE.search(before(match, 40)):
        return digits(text)
    if text[0] == "0":
        return digits(text)
    if len(text) > _LONGEST_COUNT and not text.endswith("000"):
        return digits(text) if len(text) <= 12 else ", ".join(_fours(text))
    return None


def _fours(text: str) -> list[str]:
    return [digits(text[i : i + 4]) for i in range(0, len(text), 4)]


def _named(match: re.Match[str]) -> str | None:
    front = before(match)
    if _SERIES.search(front) or (_PLACE_CUE.search(front) and not after(match, 2).startswith(" %")):
        return pairs(match["all"])
    return None


def code_words(text: str) -> str:
    """Letters and numbers of a code apart: "A4" -> "A four", "H100" -> "H one hundred"."""
    words = []
    for part in _PART.findall(text):
        if not part.isdecimal():
            words.append(part)
        elif len(part) > 4 or part[0] == "0":
            words.append(digits(part))
        else:
            words.append(pairs(part) if len(part) >= 3 else cardinal(part))
    return " ".join(words)


def _mixed(match: re.Match[str]) -> str:
    return code_words(match["code"])


def _thousands_by_blanks(match: re.Match[str]) -> str:
    return number(match[0].replace(" ", ""))


def _odd_groups(match: re.Match[str]) -> str:
    return digits(match[0])


CODE_RULES: tuple[Rule, ...] = (
    Rule(
        "card number",
        _CARD,
        _grouped,
        {
            "card 4111 1111 1111 1234": "card four one one one, one one one one, one one one one,"
            " one two three four"
        },
    ),
    Rule(
        "number of an insurance",
        _SSN,
        _grouped,
        {"SSN 123-45-6789": "SSN one two three, four five, six seven eight nine"},
    ),
    Rule(
        "number of a book",
        _ISBN,
        _grouped,
        {
            "ISBN 978-3-16-148410-0": "ISBN nine seven eight, three, one six, one four eight four"
            " one"
            " zero,"
            " zero"
        },
    ),
    Rule(
        "address of a machine",
        _ADDRESS,
        _address,
        {"Ping 192.168.1.1 now.": "Ping one ninety two dot one sixty eight dot one dot one now."},
    ),
    Rule(
        "thousands by blanks",
        re.compile(r"[1-9]\d{0,2}(?: \d{3}){2,4}(?![\d]|[.,]\d| \d)"),
        _thousands_by_blanks,
        {
            "about 1 234 567 people": "about one million two hundred and thirty four thousand"
            " five hundred and sixty seven people"
        },
    ),
    Rule(
        "telephone number",
        _PHONE,
        _phone,
        {
            "Call +1 555 123 4567.": "Call plus one, five five five, one two three, four five six"
            " seven.",
            "(555) 123-4567 is mine": "five five five, one two three, four five six seven is mine",
            "Dial 1300 555 019.": "Dial one three zero zero, five five five, zero one nine.",
        },
    ),
    Rule(
        "telephone number in one piece",
        _PLUS_PHONE,
        _plus_phone,
        {"Text +4420794609": "Text plus four four two zero, seven nine four six, zero nine"},
    ),
    Rule(
        "version",
        _VERSION,
        _version,
        {"Version 2.3.11 is out": "Version two point three point eleven is out"},
    ),
    Rule(
        "version of something known",
        _SHORT_VERSION,
        _short_version,
        {
            "Python 3.11 runs": "Python three point eleven runs",
            "Ubuntu 22.04": "Ubuntu twenty two point zero four",
        },
    ),
    Rule(
        "odd groups of digits",
        re.compile(r"0\d{0,2}(?:,\d{3}){1,5}(?![\d]|[.,]\d)"),
        _odd_groups,
        {"number 0,013,225": "number zero zero one three two two five"},
    ),
    Rule(
        "digits one by one",
        _LONG,
        _long,
        {
            "Your PIN is 4321.": "Your PIN is four three two one.",
            "order 123456": "order one two three four five six",
            "5551234567 is it": "five five five one two three four five six seven is it",
        },
    ),
    Rule(
        "number of a thing",
        _NAMED,
        _named,
        {"RTX 4090 and room 302": "RTX forty ninety and room three oh two"},
    ),
)

# Digits first, letters behind; only where no unit is meant.
MIXED_RULES: tuple[Rule, ...] = (
    Rule("code", _MIXED, _mixed, {"gate 3B": "gate three B", "a 4K film": "a four K film"}),
)
