"""English: dates, times of day, years, decades."""

from __future__ import annotations

import re
from calendar import month_name

from indextts.stages.text.natural.english_numbers import (
    below_hundred,
    cardinal,
    decade,
    ordinal,
    year,
)
from indextts.stages.text.natural.rules import Rule, after, alternatives, before

MONTHS = {
    **{name[:3]: name for name in month_name[1:]},
    "Sept": "September",
    **{name: name for name in month_name[1:]},
}
_SHORT_MONTH = alternatives(name for name in MONTHS if len(name) < 5)
_MONTH = rf"(?P<month>{alternatives(MONTHS)})"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?![\d:%])"
_YEAR = r"(?P<year>[12]\d{3})(?![\d%]|[.,]\d)"
DAYS = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Tues": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Thur": "Thursday",
    "Thurs": "Thursday",
    "Fri": "Friday",
    "Sat": "Saturday",
    "Sun": "Sunday",
}
# The dot of "p.m." stays where it also ends the sentence.
_SENTENCE_AHEAD = rf"(?= (?!{alternatives((*MONTHS, *DAYS))})[A-Z]|\s*$|[\n\r]| ?[\u3400-\u9fff])"
_MERIDIEM = rf"(?: ?(?P<half>[aApP])\.?[mM](?:(?=\.{_SENTENCE_AHEAD})|\.|(?![A-Za-z.])))"
_CLOCK = r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d{1,6})?)?"

_ISO = re.compile(
    r"(?P<year>[12]\d{3})(?P<dash>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=dash)(?P<day>[0-3]?\d)(?!\d|-\d)"
    r"(?:T(?P<hour>[0-2]\d):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d{1,6})?)?"
    r"(?P<zone>Z|[+-][0-2]\d:?[0-5]\d)?)?"
)
_NUMERIC = re.compile(
    r"(?P<a>[0-3]?\d)(?P<dash>[-/.])(?P<b>[0-3]?\d)(?P=dash)(?P<year>[12]\d{3}|\d{2})(?!\d|[-/.]\d)"
)
_NUMERIC_DAY = re.compile(
    r"(?P<a>0?[1-9]|[12]\d|3[01])/(?P<b>0?[1-9]|[12]\d|3[01])(?![\dA-Za-z%/°\"'²³]|[.,:-]\d)"
)
# What makes a date of 3/4, which is a fraction elsewhere: a word in front of it, or a time behind.
_DAY_CUE = re.compile(
    r"\b(?:due|dated?|deadline|until|till|since|scheduled|effective|as of|week of|birthday|RSVP|"
    rf"released|arriv(?:es?|ed|ing)|{alternatives((*DAYS, *DAYS.values()))})"
    r"(?: is| was| for| by| on|\.|:|,)* \(?$",
    re.IGNORECASE,
)
_ON = re.compile(r"\bon $", re.IGNORECASE)
_TIME_BEHIND = re.compile(
    r",? (?:at|@) (?:\d|noon|midnight)|,? (?:[01]?\d|2[0-4])(?::[0-5]\d| ?[ap]\.?m)"
)
_ENDS_THERE = re.compile(r"[.,;!?)]|\s*$|[\n\r]| (?:and|or|but|because|when|if) ")
_GOES_ON = re.compile(
    r"[ -](?:of|in\b|inch|foot|feet|cup|tea|table|tsp|tbsp|ounce|oz|pound|lb|mile|hour|full|way"
    r"|the\b|time|size|length)"
)
_MONTH_DAY = re.compile(
    rf"{_MONTH}\.? {_DAY}(?P<range> ?[-–] ?(?P<last>[0-3]?\d)(?!\d))?(?:,? {_YEAR})?"
)
_DAY_MONTH = re.compile(
    rf"(?P<day>[0-3]?\d)(?P<suffix>st|nd|rd|th)?(?: of)? {_MONTH}(?![A-Za-z])\.?(?:,? {_YEAR})?"
)
_MONTH_YEAR = re.compile(rf"{_MONTH}\.?,? {_YEAR}")
_TIME = re.compile(rf"{_CLOCK}(?!\d|:\d){_MERIDIEM}?")
_HOUR = re.compile(rf"(?P<hour>1[0-2]|0?[1-9]){_MERIDIEM}")
_TIME_RANGE = re.compile(
    r"(?P<h1>[01]?\d|2[0-4])(?::(?P<m1>[0-5]\d))?(?: ?(?P<half1>[aApP])\.?[mM]\.?)? ?[-–—~] ?"
    r"(?P<h2>[01]?\d|2[0-4])(?::(?P<m2>[0-5]\d))?(?!\d|:)"
    rf"{_MERIDIEM}?"
)
_DECADE_NAME = re.compile(r"'?(?P<decade>(?:1[0-9]|20)\d0|[2-9]0)(?:'?s|’s)(?![A-Za-z0-9])")
_YEARS = re.compile(
    r"(?P<first>[12]\d{3})(?P<dash> ?[-–—/] ?)(?P<last>[12]\d{3}|\d{2})(?!\d|[-/.,]\d|[A-Za-z%])"
)
_ONE_YEAR = re.compile(r"(?P<year>1\d{3}|20\d\d)(?![\dA-Za-z%]|[.,:]\d| ?[-–]\d)")
_ERA = re.compile(r"(?P<year>\d{1,4}) ?(?P<era>BCE|BC|CE|AD)(?![A-Za-z])|AD (?P<ad>\d{1,4})")
# Words in front of a year before 1900, which could as well be a count.
_YEAR_CUE = re.compile(
    r"(?:\b(?:in|since|until|till|by|from|before|after|during|around|circa|year|early|late|mid"
    r"|spring|summer|autumn|fall|winter|class of|back to|dated|born|died|of|"
    + "|".join(month_name[1:])
    + r"),? |[(–—-])$",
    re.IGNORECASE,
)
_COUNTED = re.compile(r" (?:[a-z]+ )?[a-z]{2,}s\b")
_ARTICLE = re.compile(r"\b(?:the|an?|this|that|his|her|its|their|our|my) $", re.IGNORECASE)
_NOT_COUNTED = re.compile(
    r" (?:was|is|has|does|this|as|its|his|versus|plus|goes|gives|shows|saw|sees)\b"
)


def _date(month: str, day: str, year_digits: str | None) -> str | None:
    if not 1 <= int(day) <= 31:
        return None
    words = f"{month} {ordinal(str(int(day)))}"
    return f"{words}, {year(year_digits)}" if year_digits else words


def _clock(hour: str, minute: str | None, second: str | None, half: str | None) -> str:
    words = below_hundred(int(hour))
    if minute and int(minute):
        words += f" oh {below_hundred(int(minute))}" if minute[0] == "0" else f" {cardinal(minute)}"
    elif minute and not half:
        words += " o'clock" if 1 <= int(hour) <= 12 else " hundred"
    if second and int(second):
        words += f" and {below_hundred(int(second))} seconds"
    return words + (f" {half.lower()} m" if half else "")


def _iso(match: re.Match[str]) -> str | None:
    words = _date(month_name[int(match["month"])], match["day"], match["year"])
    if words is None or match["hour"] is None:
        return words
    words += f", {_clock(match['hour'], match['minute'], match['second'], None)}"
    return words + (" U T C" if match["zone"] == "Z" else "")


def _numeric(match: re.Match[str]) -> str | None:
    first, second = int(match["a"]), int(match["b"])
    if len(match["year"]) == 2 and match["dash"] != "/":
        return None
    month, day = (second, first) if first > 12 or match["dash"] == "." else (first, second)
    if not 1 <= month <= 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    full = match["year"]
    if len(full) == 2:
        full = ("19" if int(full) > 50 else "20") + full
    return _date(month_name[month], str(day), full)


def _numeric_day(match: re.Match[str]) -> str | None:
    front, behind = before(match, 40), after(match)
    if _GOES_ON.match(behind):
        return None
    cued = _DAY_CUE.search(front) or _TIME_BEHIND.match(behind)
    if not cued and not (_ON.search(front) and _ENDS_THERE.match(behind)):
        return None
    first, second = int(match["a"]), int(match["b"])
    month, day = (second, first) if first > 12 else (first, second)
    return _date(month_name[month], str(day), None) if month <= 12 else None


def _month_day(match: re.Match[str]) -> str | None:
    words = _date(MONTHS[match["month"]], match["day"], None)
    if words and match["last"]:
        words += f" to {ordinal(str(int(match['last'])))}"
    return f"{words}, {year(match['year'])}" if words and match["year"] else words


def _day_month(match: re.Match[str]) -> str | None:
    if match["month"] in ("May", "March", "Mar") and not match["year"] and not match["suffix"]:
        following = after(match, 6)
        if match["month"] == "May" and following[:1] == " " and following[1:2].islower():
            return None  # "all 3 May be seen" is rare, "5 May" is not, "5 may" never comes here
    if not 1 <= int(match["day"]) <= 31:
        return None
    month = MONTHS[match["month"]]
    article = "" if re.search(r"\bthe $", before(match, 5), re.IGNORECASE) else "the "
    words = f"{article}{ordinal(str(int(match['day'])))} of {month}"
    return f"{words}, {year(match['year'])}" if match["year"] else words


def _month_year(match: re.Match[str]) -> str:
    return f"{MONTHS[match['month']]} {year(match['year'])}"


def _time(match: re.Match[str]) -> str | None:
    if match["half"] is None and re.search(
        r"\b(?:ratio|odds|score)[a-z]* (?:of |is |was )?$", before(match)
    ):
        return None
    return _clock(match["hour"], match["minute"], match["second"], match["half"])


def _hour(match: re.Match[str]) -> str:
    return _clock(str(int(match["hour"])), None, None, match["half"])


def _time_range(match: re.Match[str]) -> str | None:
    if not (match["m1"] or match["m2"] or match["half1"] or match["half"]):
        return None
    if match["m1"] and not match["m2"] and not match["half"]:
        return None
    first = _clock(match["h1"], match["m1"], None, match["half1"])
    last = _clock(match["h2"], match["m2"], None, match["half"])
    return f"{first} to {last}"


def _years(match: re.Match[str]) -> str | None:
    first, last = match["first"], match["last"]
    if not "1000" <= first <= "2099" or (match["dash"].strip() == "/" and len(last) != 2):
        return None
    if len(last) == 4:
        return f"{year(first)} to {year(last)}" if first < last <= "2199" else None
    return f"{year(first)} to {cardinal(last.lstrip('0') or '0')}" if last > first[2:] else None


def _one_year(match: re.Match[str]) -> str | None:
    text = match["year"]
    front, behind = before(match), after(match)
    cued = bool(_YEAR_CUE.search(front))
    counted = bool(_COUNTED.match(behind)) and not _NOT_COUNTED.match(behind)
    counted = counted and not _ARTICLE.search(front)
    if text >= "1900":
        return None if counted and not cued else year(text)
    if counted or not cued:
        return None
    return year(text)


def _decade(match: re.Match[str]) -> str:
    return decade(match["decade"])


def _era(match: re.Match[str]) -> str:
    if match["ad"]:
        return f"A D {year(match['ad'])}"
    return f"{year(match['year'])} {' '.join(match['era'])}"


TIME_RULES: tuple[Rule, ...] = (
    Rule(
        "date of ISO 8601",
        _ISO,
        _iso,
        {
            "on 2024-01-15.": "on January fifteenth, twenty twenty four.",
            "at 2024-01-15T10:30:00Z": "at January fifteenth, twenty twenty four, ten thirty U T C",
        },
    ),
    Rule(
        "date in numbers",
        _NUMERIC,
        _numeric,
        {
            "due 03/15/2024": "due March fifteenth, twenty twenty four",
            "due 15/03/2024": "due March fifteenth, twenty twenty four",
            "due 1.5.2024": "due May first, twenty twenty four",
        },
    ),
    Rule(
        "day in numbers",
        _NUMERIC_DAY,
        _numeric_day,
        {
            "due 3/4.": "due March fourth.",
            "on 3/4 at 10am": "on March fourth at ten a m",
            "add 3/4 cup": "add three quarters cup",
            "on 3/4 of all days": "on three quarters of all days",
        },
    ),
    Rule(
        "span of time",
        _TIME_RANGE,
        _time_range,
        {
            "Open 9am-5pm.": "Open nine a m to five p m.",
            "from 10:30–11:45": "from ten thirty to eleven forty five",
        },
    ),
    Rule(
        "time of day",
        _TIME,
        _time,
        {
            "at 10:30 am": "at ten thirty a m",
            "at 5:05 p.m. today": "at five oh five p m today",
            "Starts at 7:00.": "Starts at seven o'clock.",
            "leaves at 14:05": "leaves at fourteen oh five",
        },
    ),
    Rule(
        "hour",
        _HOUR,
        _hour,
        {"Come at 3pm.": "Come at three p m.", "by 9 a.m. daily": "by nine a m daily"},
    ),
    Rule(
        "day and month",
        _DAY_MONTH,
        _day_month,
        {
            "5 January 2024": "the fifth of January, twenty twenty four",
            "the 4th of July": "the fourth of July",
        },
    ),
    Rule("era", _ERA, _era, {"in 44 BC": "in forty four B C"}),
    Rule(
        "decade",
        _DECADE_NAME,
        _decade,
        {"in the 1990s": "in the nineteen nineties", "the '80s": "the eighties"},
    ),
    Rule(
        "years",
        _YEARS,
        _years,
        {"1999-2003 was fun": "nineteen ninety nine to two thousand three was fun"},
    ),
    Rule(
        "year",
        _ONE_YEAR,
        _one_year,
        {
            "in 1776 and 2024": "in seventeen seventy six and twenty twenty four",
            "the 1963 playbook leaves": "the nineteen sixty three playbook leaves",
            "sold 1950 copies": "sold one thousand nine hundred and fifty copies",
        },
    ),
)

# Begin with the name of a month.
MONTH_RULES: tuple[Rule, ...] = (
    Rule(
        "month and day",
        _MONTH_DAY,
        _month_day,
        {
            "On Jan. 5, 2024 we met.": "On January fifth, twenty twenty four we met.",
            "March 3rd is fine": "March third is fine",
            "May 3-5": "May third to fifth",
        },
    ),
    Rule(
        "month",
        re.compile(
            rf"(?P<month>{alternatives(name for name in MONTHS if len(name) < 5)})\.(?="
            rf" [a-z])"
        ),
        lambda match: MONTHS[match["month"]],
        {"In Dec. it snows.": "In December it snows."},
    ),
    Rule(
        "month and year", _MONTH_YEAR, _month_year, {"Sept 2023": "September twenty twenty three"}
    ),
)
