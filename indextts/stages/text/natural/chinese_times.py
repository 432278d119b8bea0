"""Chinese: dates, years, times of day."""

from __future__ import annotations

import re

from indextts.stages.text.natural.chinese_numbers import cardinal, digits
from indextts.stages.text.natural.rules import Rule, after, before

_ISO = re.compile(
    r"(?P<year>[12]\d{3})(?P<dash>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=dash)(?P<day>0?[1-9]|[12]\d|3[01])(?![\d.]|-\d)"
    r"(?:T(?=\d))?"
)
_DAY = re.compile(
    r"(?P<month>0?[1-9]|1[0-2])/(?P<day>0?[1-9]|[12]\d|3[01])(?![\dA-Za-z%/]|[.,:-]\d)"
)
# What makes a date of 3/4, which is a fraction elsewhere.
_DAY_CUE = re.compile(
    r"(?:日期|截止|截至|生日|定在|定于|改到|延期到|推迟到)[日是为到至于:：, ]{0,3}$"
)
_TIME_BEHIND = re.compile(
    r" ?[（(]?(?:周|星期|礼拜)[一二三四五六日天]| ?(?:上午|下午|中午|晚上|早上|凌晨)"
)
_YEAR_SPAN = re.compile(
    r"(?P<first>[12]\d{3})年?(?: ?[-–—~] ?|到|至)(?P<last>[12]\d{3}|\d{2})(?=年)"
)
_YEARS = re.compile(r"(?P<first>[12]\d{3}) ?[-–—~] ?(?P<last>[12]\d{3})(?![\d%]|[.,]\d)")
_YEAR = re.compile(
    r"(?P<year>\d{4}|\d{2})(?=年)(?!年(?:级|来|以上|以内|之内|内|多|历史|的历史|之久|前|后的今天))"
)
_LONE_YEAR = re.compile(r"(?P<year>19\d\d|20\d\d)(?![\d%]|[.,:]\d|[A-Za-z])")
_DECADE = re.compile(r"(?P<century>1[0-9]|20)?(?P<tens>\d0)(?=年代|后)")
_MONTH_SPAN = re.compile(
    r"(?P<first>1[0-2]|0?[1-9])(?P<unit>月|日|号)?(?: ?[-–—~] ?|到|至)"
    r"(?P<last>[0-3]?\d)(?=(?P<name>月|日|号))"
)
_MONTH = re.compile(
    r"(?P<number>[0-3]?\d)(?=月份?|日|号(?!码)|点|时|分(?!之|钟)|楼|层|班|路|级|年级)"
)
_CLOCK = re.compile(
    r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)"
    r"(?:\.\d{1,3})?)?(?!\d|:\d)(?P<half> ?[aApP][mM](?![A-Za-z]))?"
    r"(?P<range> ?[-–—~到至] ?(?=(?:[01]?\d|2[0-4]):[0-5]\d))?"
)
_SCORE_CUE = re.compile(
    r"(?:比分|比例|比率|战胜|击败|胜|负|输|赢|以|领先|落后|战平|扳成|战成|逼平|大胜|平|的比|配比|混合|按)(?:了|为|是|以)?$"
)
_CENTURY_CUE = re.compile(
    r"(?:历经|经过|长达|距今|约|近|超过|整整|持续|至少|大约|几乎|满|过去|有|共|存活|活了|等了|用了|花了)$"
)
_DURATION_CUE = re.compile(r"(?:耗时|用时|历时|时长|成绩|总时间)(?:为|是|了)?$")
_DAY_BEFORE = re.compile(r"(?:[月年]|[0-9]月)$")


def _iso(match: re.Match[str]) -> str:
    month, day = match["month"].lstrip("0"), match["day"].lstrip("0")
    tail = "," if match[0].endswith("T") else ""
    return f"{digits(match['year'])}年{cardinal(month)}月{cardinal(day)}日{tail}"


def _numeric_day(match: re.Match[str]) -> str | None:
    if not (_DAY_CUE.search(before(match, 10)) or _TIME_BEHIND.match(after(match, 6))):
        return None
    return f"{_plain(match['month'])}月{_plain(match['day'])}日"


def _year_span(match: re.Match[str]) -> str:
    middle = "年" if "年" in match[0] else ""
    return f"{digits(match['first'])}{middle}到{digits(match['last'])}"


def _years(match: re.Match[str]) -> str | None:
    if not match["first"] < match["last"] <= "2199":
        return None
    return f"{digits(match['first'])}到{digits(match['last'])}"


def _year(match: re.Match[str]) -> str | None:
    text = match["year"]
    front = before(match, 4)
    if _CENTURY_CUE.search(front):
        return None
    if len(text) == 4:
        return digits(text) if text[0] in "12" else None
    follows_month = bool(re.match(r"年 ?\d{1,2}月", after(match, 6)))
    return digits(text) if follows_month or text >= "80" or text[0] == "0" else None


def _lone_year(match: re.Match[str]) -> str | None:
    front, behind = before(match, 6), after(match, 2)
    if re.search(r"(?:于|在|自|从|到|至|截至|公元|版|款|\() ?$", front) or re.match(
        r" ?(?:款|版|届|赛季|财年|春|夏|秋|冬|世界|奥运|中国|[/)])", behind
    ):
        return digits(match["year"])
    return None


def _decade(match: re.Match[str]) -> str | None:
    if match["century"]:
        return digits(match["century"] + match["tens"])
    if after(match, 1) == "后":
        return digits(match["tens"]) if match["tens"] in ("70", "80", "90", "00") else None
    return cardinal(match["tens"]) if match["tens"] != "00" else "零零"


def _month_span(match: re.Match[str]) -> str:
    unit = match["unit"] or ""
    return f"{_plain(match['first'])}{unit}到{_plain(match['last'])}"


def _plain(text: str) -> str:
    return cardinal(text.lstrip("0") or "0")


def _month(match: re.Match[str]) -> str | None:
    name = after(match, 1)
    if name in "点时" and match["number"] == "2" and name == "点":
        return "两"
    if name == "日" and not _DAY_BEFORE.search(before(match, 3)) and match["number"] == "0":
        return None
    if name == "分" and len(match["number"]) == 2 and match["number"][0] == "0":
        return "零" + cardinal(match["number"][1])
    return _plain(match["number"])


def _clock(match: re.Match[str]) -> str | None:
    if _SCORE_CUE.search(before(match, 6)):
        return None
    hour, minute, second = match["hour"], match["minute"], match["second"]
    name = "两" if hour.lstrip("0") == "2" else _plain(hour)
    if second and _DURATION_CUE.search(before(match, 4)):
        return f"{name}小时{_plain(minute)}分{_plain(second)}秒"
    words = f"{name}点"
    if minute == "30" and not second:
        words += "半"
    elif minute != "00" or second:
        words += ("零" + cardinal(minute[1]) if minute[0] == "0" else cardinal(minute)) + "分"
    if second and second != "00":
        words += f"{_plain(second)}秒"
    half = (match["half"] or "").strip().lower()
    front = {"am": "上午", "pm": "下午", "": ""}[half]
    return front + words + ("到" if match["range"] else "")


TIME_RULES: tuple[Rule, ...] = (
    Rule(
        "date",
        _ISO,
        _iso,
        {
            "于2024-01-15发布": "于二零二四年一月十五日发布",
            "截至2024/3/5": "截至二零二四年三月五日",
        },
    ),
    Rule(
        "day",
        _DAY,
        _numeric_day,
        {
            "截止日期：3/4": "截止日期,三月四日",
            "3/4（周一）开会": "三月四日周一开会",
            "3/4的人": "四分之三的人",
        },
    ),
    Rule(
        "years",
        _YEAR_SPAN,
        _year_span,
        {"2001年-2003年": "二零零一年到二零零三年", "1998-2003年": "一九九八到二零零三年"},
    ),
    Rule("years without 年", _YEARS, _years, {"（1998-2003）": "一九九八到二零零三"}),
    Rule(
        "decade",
        _DECADE,
        _decade,
        {"90年代": "九十年代", "1990年代": "一九九零年代", "80后": "八零后"},
    ),
    Rule(
        "year", _YEAR, _year, {"2023年": "二零二三年", "98年": "九八年", "历经500年": "历经五百年"}
    ),
    Rule("year without 年", _LONE_YEAR, _lone_year, {"2024款": "二零二四款"}),
    Rule(
        "months or days", _MONTH_SPAN, _month_span, {"8月-9月": "八月到九月", "3-5号": "三到五号"}
    ),
    Rule(
        "time of day",
        _CLOCK,
        _clock,
        {"10:30开会": "十点半开会", "8:05到": "八点零五分到", "9:00-18:00": "九点到十八点"},
    ),
    Rule(
        "month, day, hour, floor",
        _MONTH,
        _month,
        {"2月5日": "二月五日", "下午2点": "下午两点", "12楼": "十二楼"},
    ),
)
