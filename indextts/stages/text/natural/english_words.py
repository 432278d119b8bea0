"""English: titles, abbreviations, contractions, names of days, initials, Roman numerals.

An abbreviation is read in full only with evidence: "No." in front of a number, "St." in front of
or behind a name.  The dot goes with it unless it also ends the sentence.
"""

from __future__ import annotations

import re

from indextts.stages.text.natural.english_numbers import cardinal, ordinal
from indextts.stages.text.natural.english_times import DAYS
from indextts.stages.text.natural.rules import Rule, after, alternatives, before, listed

# In front of a name.
_TITLES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Dr": "Doctor",
    "Prof": "Professor",
    "Rev": "Reverend",
    "Hon": "Honorable",
    "Gov": "Governor",
    "Sen": "Senator",
    "Rep": "Representative",
    "Pres": "President",
    "Gen": "General",
    "Col": "Colonel",
    "Maj": "Major",
    "Capt": "Captain",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Cpl": "Corporal",
    "Fr": "Father",
    "St": "Saint",
    "Mt": "Mount",
    "Ft": "Fort",
    "Messrs": "Messieurs",
}
# Behind a name.
_STREETS = {
    "St": "Street",
    "Ave": "Avenue",
    "Rd": "Road",
    "Blvd": "Boulevard",
    "Dr": "Drive",
    "Ln": "Lane",
    "Hwy": "Highway",
    "Sq": "Square",
    "Jr": "Junior",
    "Sr": "Senior",
    "Inc": "Incorporated",
    "Ltd": "Limited",
    "Corp": "Corporation",
    "Co": "Company",
    "Bros": "Brothers",
    "Esq": "Esquire",
    "Pl": "Place",
    "Ct": "Court",
    "Dept": "Department",
    "Univ": "University",
}
# In front of a number.
_COUNTED = {
    "No": "number",
    "no": "number",
    "Nos": "numbers",
    "nos": "numbers",
    "Fig": "figure",
    "fig": "figure",
    "Figs": "figures",
    "Eq": "equation",
    "eq": "equation",
    "Sec": "section",
    "sec": "section",
    "Ch": "chapter",
    "ch": "chapter",
    "Chap": "chapter",
    "Vol": "volume",
    "vol": "volume",
    "p": "page",
    "pp": "pages",
    "Art": "article",
    "art": "article",
    "c": "circa",
    "ca": "circa",
    "Apt": "apartment",
    "apt": "apartment",
    "Ext": "extension",
    "ext": "extension",
    "Rm": "room",
    "Tel": "telephone",
    "tel": "telephone",
    "approx": "approximately",
    "Approx": "approximately",
    "est": "estimated",
    "Est": "established",
    "v": "version",
    "Max": "maximum",
    "Min": "minimum",
    "Ver": "version",
    "ver": "version",
}
# Anywhere.
_ALWAYS = {
    "vs": "versus",
    "Vs": "versus",
    "etc": "et cetera",
    "approx": "approximately",
    "Approx": "approximately",
    "dept": "department",
    "govt": "government",
    "incl": "including",
    "excl": "excluding",
    "esp": "especially",
    "resp": "respectively",
    "misc": "miscellaneous",
    "max": "maximum",
    "min": "minimum",
    "avg": "average",
    "tel": "telephone",
    "Tel": "telephone",
    "al": "al",
    "cf": "compare",
    "viz": "namely",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Dept": "Department",
    "Ltd": "Limited",
    "Inc": "Incorporated",
    "Corp": "Corporation",
    "Jr": "Junior",
    "Sr": "Senior",
}
_PHRASES = {
    "e.g.": "for example",
    "E.g.": "for example",
    "i.e.": "that is",
    "I.e.": "that is",
    "a.k.a.": "also known as",
    "aka": "also known as",
    "w/o": "without",
    "w/": "with",
    "b/c": "because",
    "n/a": "N A",
    "N/A": "N A",
    "c/o": "care of",
    "A/C": "A C",
    "a/c": "A C",
    "P.S.": "P S",
    "R.I.P.": "R I P",
    "o'clock": "o'clock",
}
_NAME = r"(?= \(?[\"“]?[A-Z])"
# What begins a sentence and hardly ever a name.
_STARTERS = listed(
    """
The A An This That These Those It He She We They You I In On At But And Or So If When While For As
After Before There Here What Who Why How Where Its His Her Our Their My Your Not No Yes Then
However Also With By From To Is Are Was Were Do Does Did Some All Many Most Please Today Now
"""
)
# The dot stays where it also ends the sentence.
_DOT = rf"(?:(?=\.[\"”')\]]*(?:\s*$|\s*[\n\r]|\s+(?:{'|'.join(_STARTERS)})\b))|\.)"
_TITLE_RULE = re.compile(
    rf"(?P<word>Mrs|Mr|Ms|Messrs|Prof)\.|(?P<name>{alternatives(_TITLES)})\.?{_NAME}"
)
_STREET_RULE = re.compile(rf"(?P<word>{alternatives(_STREETS)})(?:{_DOT}|(?![A-Za-z0-9.'-]))")
_COUNTED_RULE = re.compile(rf"(?P<word>{alternatives(_COUNTED)})\. ?(?=[#\d])")
# "The answer is no. 5 people left."
_ANSWER = re.compile(r"\b(?:is|was|be|said|says|say|answered|simply|a|with) $")
_ALWAYS_RULE = re.compile(rf"(?P<word>{alternatives(_ALWAYS)}){_DOT}")
_PHRASE_RULE = re.compile(rf"(?P<word>{alternatives(_PHRASES)}|vs)(?![A-Za-z])(?!(?<=vs)\.)")
_INITIALS = re.compile(rf"(?P<letters>(?:[A-Za-z]\. ?){{1,8}}[A-Za-z]){_DOT}")
_INITIAL = re.compile(r"(?P<letter>[A-Z])\.(?= ?[A-Z][a-z])")
_PHD = re.compile(rf"(?P<word>Ph\.D|M\.Sc|B\.Sc|Ph\.d)(?:{_DOT}|(?![A-Za-z.]))")
_DAY = re.compile(
    rf"(?P<first>{alternatives(DAYS)})(?:{_DOT})?(?P<range> ?[-–/&] ?"
    rf"(?P<last>{alternatives(DAYS)})\.?)?"
    r"(?P<evidence>(?=,? (?:\d|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov"
    r"|Dec)[a-z]*\b|at \d|noon|night"
    r"|morning|evening|afternoon)| ?[-–:] ?\d|(?:,|,? and|,? or| &) (?:Mon|Tue"
    r"|Wed|Thu|Fri|Sat|Sun)\b))?(?![A-Za-z])"
)
_DAY_CUE = re.compile(
    r"\b(?:on|every|next|last|this|until|by|since|Mon|Tue|Wed|Thu|Fri|Sat|(?P<joint>and))[.,]? $"
)
_CONTRACTION = re.compile(
    r"(?P<word>(?:what|where|who|how|there|here|it|she|he|that|this|which|when|why)'s)(?![A-Za-z'-])"
    r"(?P<next> (?:(?:not|never|always|already|just|only|also|ever|long|since|recently) )?"
    r"(?:been|got|had|become|happened|gotten|begun)\b)?",
    re.IGNORECASE,
)
_ROMAN = re.compile(r"(?P<numeral>[IVXL]{1,7})(?![A-Za-z0-9'.-](?! |$))(?![A-Za-z0-9])")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}
_REIGNS = (
    "Henry|Louis|Charles|George|Edward|Elizabeth|William|Richard|James|John|Paul|Pius|Benedict|Francis"
    "|Philip|Alexander|Nicholas|Frederick|Napoleon|Leo|Catherine|Peter|Ivan|Gregory|Clement|Innocent"
    "|Ferdinand|Mary|Ramses|Ptolemy|Urban|Victoria|Otto|Carl|Gustav|Haakon|Harald|Albert|Leopold"
)
_REIGN = re.compile(rf"\b(?:{_REIGNS}) $")
_NUMBERED = re.compile(
    r"\b(?:Chapter|Part|Volume|Vol\.|Section|War|Act|Scene|Book|Phase|Type|Level|Stage|Class|Title|Article"
    r"|Appendix|Bowl|Grade|Mark|Episode|Division|Group|Table|Figure|Unit|Category|Lesson|Round|Schedule"
    r"|chapter|part|volume|section|act|scene|book|phase|type|level|stage|class"
    r"|grade|table|figure|unit) $"
)
_CAPITALISED = re.compile(r"\b[A-Z][a-z]+ $")


def _street(match: re.Match[str]) -> str | None:
    word = match["word"]
    if not re.search(
        r"[A-Z0-9][A-Za-z0-9'&-]* $|,? $"
        if word in ("Jr", "Sr", "Inc", "Ltd")
        else r"\b[A-Z][A-Za-z']+ $|\d(?:st|nd|rd|th) $|& $",
        before(match),
    ):
        return None
    dotted = match[0].endswith(".") or after(match, 1) == "."
    if not dotted and word in ("Dr", "Co", "Ct", "Pl", "St", "Sq", "Univ", "Dept"):
        return None
    if word == "Dr" and re.match(r" [A-Z]", after(match, 2)):
        return None
    return _STREETS[word]


def _always(match: re.Match[str]) -> str | None:
    return _ALWAYS[match["word"]]


def _counted(match: re.Match[str]) -> str | None:
    if match["word"] == "no" and _ANSWER.search(before(match)):
        return None
    return _COUNTED[match["word"]] + " "


def _initials(match: re.Match[str]) -> str | None:
    return " ".join(letter.upper() for letter in match["letters"] if letter.isalpha())


def _initial(match: re.Match[str]) -> str | None:
    if match["letter"] == "I" and not re.search(r"[A-Z]\.? ?$|[a-z] [A-Z][a-z]+ $", before(match)):
        return None
    return match["letter"]


def _day(match: re.Match[str]) -> str | None:
    first, last = DAYS[match["first"]], match["last"]
    if last:
        joint = " and " if "&" in match["range"] or "/" in match["range"] else " to "
        return first + joint + DAYS[last]
    if match["evidence"] is not None:
        return first
    front = before(match)
    cued = _DAY_CUE.search(front)
    if cued and not (match["first"] in ("Sat", "Sun") and cued["joint"]):
        return first
    if match[0].endswith(".") and match["first"] not in ("Sat", "Sun"):
        return first if re.match(" [a-z]", after(match, 2)) else None
    return None


def _contraction(match: re.Match[str]) -> str:
    word, following = match["word"], match["next"] or ""
    verb = "has" if following else "is"
    return f"{word[:-2]} {verb.upper() if word.isupper() and len(word) > 3 else verb}{following}"


def roman_value(numeral: str) -> int | None:
    """ "XIV" -> 14; None for what is no numeral as it is written."""
    total = 0
    for here, following in zip(numeral, (*numeral[1:], ""), strict=True):
        value = _VALUES[here]
        total += -value if _VALUES.get(following, 0) > value else value
    return total if roman(total) == numeral else None


def roman(number: int) -> str:
    """1 to 89 in Roman numerals."""
    words = ""
    for value, letters in (
        *((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
    ):
        count, number = divmod(number, value)
        words += letters * count
    return words


def _roman(match: re.Match[str]) -> str | None:
    numeral = match["numeral"]
    value = roman_value(numeral)
    if value is None:
        return None
    front = before(match)
    numbered = _NUMBERED.search(front)
    if numbered and (numeral != "I" or numbered[0][0].isupper()):
        return cardinal(str(value))
    if _REIGN.search(front) and numeral != "I":
        return f"the {ordinal(str(value))}"
    if numeral in ("I", "V", "X", "L", "IV", "XL", "XX", "XXX", "XI", "LI", "XXL", "LX", "LV"):
        return None
    return cardinal(str(value)) if _CAPITALISED.search(front) else None


WORD_RULES: tuple[Rule, ...] = (
    Rule(
        "phrase",
        _PHRASE_RULE,
        lambda match: _PHRASES.get(match["word"], "versus"),
        {"fruit, e.g. apples": "fruit, for example apples", "w/o sugar": "without sugar"},
    ),
    Rule(
        "title",
        _TITLE_RULE,
        lambda match: _TITLES[match["word"] or match["name"]],
        {"Dr. Smith met Mrs. Lee.": "Doctor Smith met Missus Lee.", "St. John": "Saint John"},
    ),
    Rule(
        "abbreviation in front of a number",
        _COUNTED_RULE,
        _counted,
        {
            "See Fig. 3 on p. 12.": "See figure three on page twelve.",
            "No. 5": "number five",
            "No. I don't think so.": "No. I don't think so.",
        },
    ),
    Rule(
        "degree",
        _PHD,
        lambda match: " ".join(c for c in match[0] if c.isalpha()).upper(),
        {"a Ph.D. student": "a P H D student"},
    ),
    Rule(
        "abbreviation behind a name",
        _STREET_RULE,
        _street,
        {
            "He lives on Main St. today.": "He lives on Main Street today.",
            "Smith Jr. won": "Smith Junior won",
        },
    ),
    Rule(
        "abbreviation",
        _ALWAYS_RULE,
        _always,
        {"cats, dogs, etc. are": "cats, dogs, et cetera are", "cats, etc.": "cats, et cetera."},
    ),
    Rule(
        "initials",
        _INITIALS,
        _initials,
        {"the U.S. economy": "the U S economy", "J.R.R. Tolkien": "J R R Tolkien"},
    ),
    Rule("initial", _INITIAL, _initial, {"John F. Kennedy": "John F Kennedy"}),
    Rule(
        "day of the week",
        _DAY,
        _day,
        {
            "Sat down. The Sun rose.": "Sat down. The Sun rose.",
            "Open Mon-Fri 9am-5pm": "Open Monday to Friday nine a m to five p m",
        },
    ),
    Rule(
        "contraction",
        _CONTRACTION,
        _contraction,
        {"it's been fun": "it has been fun", "That's Detroit's mayor.": "That is Detroit's mayor."},
    ),
    Rule(
        "Roman numeral",
        _ROMAN,
        _roman,
        {
            "World War II and Henry VIII": "World War two and Henry the eighth",
            "Chapter IV. I see.": "Chapter four. I see.",
        },
    ),
)
