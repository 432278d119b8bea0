"""Numbers in English words.  All take digits as text: a leading zero says something."""

from __future__ import annotations

from indextts.stages.text.natural.rules import listed

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("", "", *listed("twenty thirty forty fifty sixty seventy eighty ninety"))
_SCALES = ("", " thousand", " million", " billion", " trillion")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
# More digits than this are no quantity that anybody says.
LONGEST = 15


def digits(text: str) -> str:
    """ "302" -> "three zero two"; what is no digit is passed over."""
    return " ".join(_SMALL[int(c)] for c in text if c.isdecimal())


def below_hundred(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f" {_SMALL[ones]}" if ones else "")


def cardinal(text: str) -> str:
    """ "1,234" -> "one thousand two hundred and thirty four"; too many digits one by one."""
    plain = text.replace(",", "").replace(" ", "")
    if len(plain) > LONGEST or (len(plain) > 1 and plain[0] == "0"):
        return digits(plain)
    number = int(plain)
    if number == 0:
        return _SMALL[0]
    parts: list[str] = []
    for place in range(len(_SCALES) - 1, -1, -1):
        group = number // 1000**place % 1000
        if group:
            last = place == 0 and number > 999
            parts.append(_below_thousand(group, follows=last) + _SCALES[place])
    return " ".join(parts)


def _below_thousand(number: int, *, follows: bool) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return ("and " if follows else "") + below_hundred(rest)
    words = f"{_SMALL[hundreds]} hundred"
    return f"{words} and {below_hundred(rest)}" if rest else words


def number(text: str) -> str:
    """ "-3.50" -> "minus three point five zero", "1,000" -> "one thousand"."""
    sign = "minus " if text[:1] in ("-", "−") else ""
    whole, point, part = text.lstrip("-−+").partition(".")
    words = cardinal(whole) if whole else ""
    if point:
        words = f"{words} point {digits(part)}".strip()
    return sign + words


def ordinal(text: str) -> str:
    """ "21" -> "twenty first"."""
    words = cardinal(text).split(" ")
    last = words[-1]
    if last in _ORDINALS:
        words[-1] = _ORDINALS[last]
    elif last.endswith("y"):
        words[-1] = last[:-1] + "ieth"
    else:
        words[-1] = last + "th"
    return " ".join(words)


def year(text: str) -> str:
    """ "1999" -> "nineteen ninety nine", "2005" -> "two thousand five"."""
    if len(text) != 4 or text[0] == "0":
        return cardinal(text)
    century, rest = int(text[:2]), int(text[2:])
    if century % 10 == 0 and rest < 10:
        thousand = f"{_SMALL[century // 10]} thousand"
        return f"{thousand} {_SMALL[rest]}" if rest else thousand
    return pairs(text)


def pairs(text: str) -> str:
    """Names of things by two digits: "4090" -> "forty ninety", "747" -> "seven forty seven"."""
    if len(text) not in (3, 4) or text[0] == "0":
        return cardinal(text)
    head, rest = int(text[:-2]), int(text[-2:])
    if rest == 0 and head % 10 == 0:
        return cardinal(text)
    if rest == 0:
        return f"{below_hundred(head)} hundred"
    tail = f"oh {_SMALL[rest]}" if rest < 10 else below_hundred(rest)
    return f"{below_hundred(head)} {tail}"


def decade(text: str) -> str:
    """ "1980" -> "nineteen eighties", "90" -> "nineties", "2000" -> "two thousands"."""
    if text in ("2000", "1000"):
        return cardinal(text) + "s"
    tens = int(text[-2:])
    name = {0: "hundreds", 10: "tens"}.get(tens) or below_hundred(tens)[:-1] + "ies"
    return f"{below_hundred(int(text[:-2]))} {name}" if len(text) == 4 else name


def fraction(top: str, bottom: str) -> str:
    """ "3", "4" -> "three quarters"."""
    many = int(top) != 1
    if bottom == "2":
        return f"{cardinal(top)} {'halves' if many else 'half'}"
    name = "quarter" if bottom == "4" else ordinal(bottom)
    return f"{cardinal(top)} {name}{'s' if many else ''}"
