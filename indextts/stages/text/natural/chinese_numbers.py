"""Numbers in Chinese words.  All take digits as text: a leading zero says something."""

from __future__ import annotations

_DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
# More digits than this are no quantity that anybody says.
LONGEST = 16


def digits(text: str, *, yao: bool = False) -> str:
    """ "2021" -> "二零二一"; with `yao` the way of telephone numbers, 1 as 幺."""
    words = "".join(_DIGITS[int(c)] for c in text if c.isdecimal())
    return words.replace("一", "幺") if yao else words


def cardinal(text: str) -> str:
    """ "2,105" -> "两千一百零五"; too many digits, or a zero in front, one by one."""
    plain = text.replace(",", "").replace(" ", "")
    if len(plain) > LONGEST or (len(plain) > 1 and plain[0] == "0"):
        return digits(plain)
    return _cardinal(int(plain)) or "零"


def _cardinal(number: int) -> str:
    """Words of a number, none for 0."""
    for size, unit in ((10**8, "亿"), (10**4, "万")):
        if number >= size:
            head, rest = divmod(number, size)
            gap = "零" if 0 < rest < size // 10 or (rest and head % 10 == 0) else ""
            return f"{_cardinal(head)}{unit}{gap}{_within(rest)}"
    return _below_ten_thousand(number)


def _within(number: int) -> str:
    """Words of a number behind others: 10 is 一十 there."""
    words = _cardinal(number)
    return "一" + words if words.startswith("十") else words


def _below_ten_thousand(number: int) -> str:
    words, gap = "", False
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if not digit:
            gap = bool(words)
            continue
        if gap:
            words += "零"
        gap = False
        two = digit == 2 and place == 3
        words += ("两" if two else _DIGITS[digit]) + _PLACES[place]
    return words[1:] if 10 <= number < 20 else words


def number(text: str) -> str:
    """ "-3.50" -> "负三点五零"."""
    sign = "负" if text[:1] in ("-", "−") else ""
    whole, point, part = text.lstrip("-−+").partition(".")
    words = cardinal(whole) if whole else "零"
    return sign + words + (f"点{digits(part)}" if point else "")


def count(text: str) -> str:
    """A number in front of a measure word: "2" -> "两", "20000" -> "两万"."""
    if text == "2":
        return "两"
    words = number(text)
    return "两" + words[1:] if words[:2] in ("二万", "二亿") else words


def name(text: str) -> str:
    """The number of a model: "100" -> "一百", "380" -> "三八零", "12" -> "十二"."""
    if len(text) <= 2 or (len(text) == 3 and text.endswith("00")) or text == "1000":
        return cardinal(text)
    return digits(text)
