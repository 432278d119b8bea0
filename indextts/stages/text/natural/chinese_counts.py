"""Chinese: fractions, ratios, scores, ranges, sums and plain numbers."""

from __future__ import annotations

import re

from indextts.stages.text.natural.chinese_amounts import NUMBER
from indextts.stages.text.natural.chinese_numbers import cardinal, count, name, number
from indextts.stages.text.natural.english_counts import OPTION, SCIENTIFIC
from indextts.stages.text.natural.rules import Rule, after, before

_IDIOM = re.compile(r"(?P<idiom>24/7|7x24|7×24|9/11|50/50)(?![\d/])")
_IDIOMS = {
    "24/7": "二十四七",
    "7x24": "七乘二十四",
    "7×24": "七乘二十四",
    "9/11": "九幺幺",
    "50/50": "五十对五十",
}
_FRACTION = re.compile(
    r"(?:(?P<whole>\d{1,4})(?: |又))?(?P<top>\d{1,4})/(?P<bottom>\d{1,4})(?![\dA-Za-z]|[/.]\d)"
)
_RATIO = re.compile(
    r"(?P<a>\d{1,4}(?:\.\d)?) ?: ?(?P<b>\d{1,4}(?:\.\d)?)(?P<c>(?::\d{1,4}){0,3})(?!\d)"
)
_SCORE = re.compile(r"(?P<a>\d{1,3})[-–](?P<b>\d{1,3})(?![\d-])")
_SCORE_CUE = re.compile(
    r"(?:比分|战胜|击败|胜|以|领先|落后|战平|扳成|逼平|大胜|总分)(?:了|为|是|以|[:：])?$"
)
_SCORE_BEHIND = re.compile(
    r"(?:战胜|击败|大胜|完胜|逆转|负于|不敌|战平|逼平|领先|落后|获胜|取胜|胜|负|输|赢|险胜|力克)"
)
_SPAN = re.compile(rf"(?P<low>{NUMBER})(?: ?[–—~] ?|-)(?P<high>{NUMBER})(?![\d]|-\d)")
_SIZE = re.compile(
    r"(?P<a>\d{1,6}(?:\.\d{1,3})?) ?[x×*] ?(?P<b>\d{1,6}(?:\.\d{1,3})?)(?:"
    r" ?[x×*] ?(?P<c>\d{1,6}(?:\.\d{1,3})?))?(?![\dA-Za-z])"
)
_POWER = re.compile(rf"(?P<base>{NUMBER})(?:\^(?P<exponent>[-−]?\d{{1,3}})|(?P<raised>[²³]))(?!\d)")
_SUM = re.compile(r"(?P<sign>\+|÷|×|\*|=|−|-|/|<=|>=|<|>|≤|≥|≠|≈) ?(?=[-−]?\.?\d|[A-Za-z]\b)")
_SUM_WORDS = {
    "+": "加",
    "-": "减",
    "−": "减",
    "÷": "除以",
    "×": "乘",
    "*": "乘",
    "/": "除以",
    "=": "等于",
    "<": "小于",
    ">": "大于",
    "≤": "小于等于",
    "<=": "小于等于",
    "≥": "大于等于",
    ">=": "大于等于",
    "≠": "不等于",
    "≈": "约等于",
}
_UNTIL = re.compile(r"[-–—~−]{1,2} ?(?=\d|周|星期|[一二三四五六七八九十]+[月日])")
_UNTIL_UNIT = re.compile(
    r"(?:[0-9一二三四五六七八九十百千万半](?:[年月日号时点分秒元米度周季级章节页期届路楼层]|小时)"
    r"|(?:周|星期|礼拜)[一二三四五六日天]|%) ?$"
)
_RATE = re.compile(
    r"/(?<=[\d万亿](?:元|块|次|个|斤|人|件|吨|度|天)/)"
    r"(?=小时|分钟|公斤|千克|平米|[天年月周日人斤次件个晚夜套张米吨克升秒户份位])"
)
# Series of planes, rockets and the like, whose hyphen is silent: 歼-20.
_SERIES_NAME = re.compile(r"(?:[歼轰运直教武]|东风|长征|神舟|嫦娥|天宫|快舟|巨浪|鹰击|天问)$")
_PLUS = re.compile(rf"(?P<number>{NUMBER})\+(?![\d+])")
_ORDINAL = re.compile(r"(?P<number>\d{1,4})(?P<suffix>st|nd|rd|th)(?![A-Za-z])")
_SIGNED = re.compile(rf"(?P<sign>[-–−+±~≈#])(?P<number>{NUMBER}|\.\d++)")
_SIGNS = {
    "-": "负",
    "−": "负",
    "–": "负",
    "+": "加",
    "±": "正负",
    "~": "约",
    "≈": "约",
    "#": "井号",
}
_MIXED = re.compile(
    r"(?P<number>\d{1,4})(?P<letters>[A-Za-z]{1,4})(?P<more>\d{0,4})(?![A-Za-z0-9])"
)
_PLAIN = re.compile(rf"{NUMBER}|\.\d++|\d++")


def _idiom(match: re.Match[str]) -> str:
    return _IDIOMS[match["idiom"]]


def _scientific(match: re.Match[str]) -> str:
    return f"{number(match['base'])}乘十的{number(match['power'])}次方"


def _fraction(match: re.Match[str]) -> str | None:
    top, bottom = match["top"], match["bottom"]
    if bottom.strip("0") == "" or (len(bottom) > 1 and bottom[0] == "0"):
        return None
    words = f"{cardinal(bottom)}分之{cardinal(top)}"
    return f"{cardinal(match['whole'])}又{words}" if match["whole"] else words


def _ratio(match: re.Match[str]) -> str:
    parts = [match["a"], match["b"], *filter(None, match["c"].split(":"))]
    return "比".join(map(number, parts))


def _score(match: re.Match[str]) -> str | None:
    if (
        _SCORE_CUE.search(before(match, 5))
        or "比分" in before(match, 10)
        or _SCORE_BEHIND.match(after(match, 3))
    ):
        return f"{cardinal(match['a'])}比{cardinal(match['b'])}"
    return None


def _span(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    return f"{number(low)}到{number(high)}"


def _size(match: re.Match[str]) -> str:
    return "乘".join(number(part) for part in (match["a"], match["b"], match["c"]) if part)


def _power(match: re.Match[str]) -> str:
    exponent = {"²": "2", "³": "3"}.get(match["raised"] or "", match["exponent"])
    name_of = {"2": "平方", "3": "立方"}.get(exponent) or f"{number(exponent)}次方"
    return f"{number(match['base'])}的{name_of}"


def _sum(match: re.Match[str]) -> str | None:
    if not re.search(r"(?:\d|[A-Za-z]|\))[%²³]? ?$", before(match, 4)):
        return None
    if match["sign"] == "-" and before(match, 1) != " ":
        return None
    if match["sign"] == "/" and not re.search(r"[\d)] $", before(match, 2)):
        return None
    return _SUM_WORDS[match["sign"]]


def _until(match: re.Match[str]) -> str | None:
    front = before(match, 4)
    if _SERIES_NAME.search(front):
        return " "
    return "到" if _UNTIL_UNIT.search(front) else None


def _plus(match: re.Match[str]) -> str:
    return f"{number(match['number'])}加"


def _ordinal(match: re.Match[str]) -> str:
    return f"第{cardinal(match['number'])}"


def _signed(match: re.Match[str]) -> str | None:
    if match["sign"] == "-" and re.search(r"[A-Za-z0-9)]$", before(match, 1)):
        return None
    return _SIGNS[match["sign"]] + number(match["number"])


def _mixed(match: re.Match[str]) -> str | None:
    words = f"{name(match['number'])}{match['letters']}"
    return words + (name(match["more"]) if match["more"] else "")


def _plain(match: re.Match[str]) -> str:
    text = match[0]
    if before(match, 1) == "第" and text.isdecimal():
        return cardinal(text)
    if re.match(r" ?[A-Za-z]{2}", after(match, 3)) and text == "2":
        return count(text)
    return number(text)


COUNT_RULES: tuple[Rule, ...] = (
    Rule("power of ten", SCIENTIFIC, _scientific, {"约1e-5": "约一乘十的负五次方"}),
    Rule("idiom", _IDIOM, _idiom, {"7×24小时": "七乘二十四小时"}),
    Rule("fraction", _FRACTION, _fraction, {"约½杯": "约二分之一杯", "占1/3": "占三分之一"}),
    Rule("ratio", _RATIO, _ratio, {"比分3:2": "比分三比二", "按1:2:3混合": "按一比二比三混合"}),
    Rule("score", _SCORE, _score, {"以3-1战胜": "以三比一战胜"}),
    Rule("size", _SIZE, _size, {"3×4米": "三乘四米"}),
    Rule("power", _POWER, _power, {"10^6": "十的六次方"}),
    Rule("range", _SPAN, _span, {"第3-5章": "第三到五章", "共10~20": "共十到二十"}),
    Rule("ordinal", _ORDINAL, _ordinal, {"我的1st": "我的第一"}),
    Rule("and more", _PLUS, _plus, {"粉丝3000+啦": "粉丝三千加啦"}),
    Rule("signed number", _SIGNED, _signed, {"是-5吗": "是负五吗"}),
    Rule("code", _MIXED, _mixed, {"看4K电影": "看四K电影"}),
    Rule("number", _PLAIN, _plain, {"共12": "共十二", "等于3.14": "等于三点一四"}),
)

SUM_RULES: tuple[Rule, ...] = (
    Rule("rate", _RATE, lambda match: "每", {"10元/小时，2.5次/天": "十元每小时,二点五次每天"}),
    Rule(
        "option of a program",
        OPTION,
        lambda match: "杠" * len(match[0]),
        {"执行ls -l命令": "执行ls 杠l命令"},
    ),
    Rule(
        "until",
        _UNTIL,
        _until,
        {"2001年8月-2002年": "二零零一年八月到二零零二年", "周一-周五": "周一到周五"},
    ),
    Rule("sum", _SUM, _sum, {"10÷2=5": "十除以二等于五"}),
)
