"""Markdown, HTML and list marks: silent, but what they set apart is a pause.

After this step a line feed is a line break whose weight is open, a carriage return a firm one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from indextts.stages.text.natural.rules import listed
from indextts.stages.text.silences import SILENCES
from indextts.stages.text.spans import Edit, Tracked

FIRM_BREAK = "\r"

# <written|spoken>: the reading that the writer wants (text.md 1.1).
_ANNOTATION = r"<[^|<>\n]{1,200}\|(?P<spoken>[^|<>\n]{1,200})>"
_LINK = r"!?\[(?P<label>[^\[\]\n]{0,200})\]\([^()\s]{0,500}(?: \"[^\"\n]{0,200}\")?\)"
_TAG = r"</?(?P<tag>[A-Za-z][A-Za-z0-9]{0,15})(?:\s[^<>\n]{0,500})?/?>"
_ENTITY = r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,10});"
_INLINE = re.compile(
    f"(?P<note>{_ANNOTATION})|(?P<link>{_LINK})|(?P<html>{_TAG})|(?P<entity>{_ENTITY})"
    # Emphasis: doubled marks anywhere; single ones at the edge of words.
    # `quoted' in the manner of TeX.
    r"|(?P<quote>`{1,2}+(?=[^`'\n]{1,200}'))"
    r"|(?P<mark>\*\*++|__++|~~++|(?<!`)`{1,2}(?!`)"
    r"|(?<![A-Za-z0-9)\u3400-\u9fff])[*_](?=[^\s*_\d])|(?<=[^\s*_])[*_](?![A-Za-z0-9(*_]))"
)
_INLINE_SIGN = re.compile(r"[<\[&*_~`]")
_LINE_TAGS = frozenset(listed("br p div li ul ol tr td th table h1 h2 h3 h4 h5 h6 hr blockquote"))

_TAGS = _LINE_TAGS | frozenset(
    listed(
        """
a abbr audio b big body break button center code del em emphasis font form head html i iframe img
input ins label link mark meta option p prosody pre q s say-as script select small source span speak
strong style sub sup tbody thead title u video voice
"""
    )
)

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+")
_CLOSING_HASHES = re.compile(r" +#{1,6} *$")
_BULLET = re.compile(r"[ \t]*(?:[-*+–—]|[•●○▪■◆◦‣·→☺])[ \t]+(?:\[[ xX]?\][ \t]+)?|[ \t]*[•●▪■◆]")
_NUMBERED = re.compile(
    r"[ \t]*(?:\((?=\d{1,2}\)))?(?P<number>\d{1,3})(?:[.)](?=[ \t])|(?<=\(\d)\)|(?<=\(\d\d)\)|、)"
    r"[ \t]*(?=\S)"
)
_QUOTE = re.compile(r"[ \t]*>[> ]*")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)[\w+-]{0,30}[ \t]*$")
_RULE = re.compile(r"[ \t]*(?:[-*_=~#+—][ \t]*+){3,}+$")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}[-:| \t]*$")
_TABLE_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")
# A blank between two verses or phrases of Chinese, not between single words.
_WIDE_BLANK = re.compile("(?<=[\u4e00-\u9fff]{4}) +(?=[\u4e00-\u9fff]{4})")
_ENDS = frozenset(".!?。！？…:;：；,，、")
# A line with nothing to say.
_BLANK = re.compile(rf"[\s{SILENCES}]*+\Z")
# A line of prose of this length that goes on with a word was broken by a program.
_WRAPPED = 50


def strip_markup(source: Tracked) -> Tracked:
    """The text without the marks."""
    inline = source
    if _INLINE_SIGN.search(source.text):
        inline = source.apply(_inline_edits(source.text))
    if _WIDE_BLANK.search(inline.text):
        blanks = _WIDE_BLANK.finditer(inline.text)
        inline = inline.apply(Edit(blank.start(), blank.end(), "，") for blank in blanks)
    if "\n" not in inline.text and not _LINE_START.match(inline.text):
        return inline
    return inline.apply(_line_edits(inline.text))


_LINE_START = re.compile(r"[ \t]*[-*+–—•●○▪■◆◦‣·→☺#>|`~=_(\d]")


def _inline_edits(text: str) -> Iterator[Edit]:
    for match in _INLINE.finditer(text):
        if match["html"] and match["tag"].lower() not in _TAGS:
            continue
        if match["note"]:
            new = match["spoken"]
        elif match["link"]:
            new = match["label"]
        elif match["html"]:
            new = "\n" if match["tag"].lower() in _LINE_TAGS else ""
        elif match["entity"]:
            new = html.unescape(match["entity"])
            if new == match["entity"]:
                continue
            new = " " if new == "\xa0" else new
        else:
            new = "‘" if match["quote"] else ""
        yield Edit(match.start(), match.end(), new)


def _line_edits(text: str) -> Iterator[Edit]:
    begin = 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        end = begin + len(line)
        firm = False
        if _FENCE.match(line) or _RULE.match(line) or _TABLE_RULE.match(line):
            yield Edit(begin, end, "")
            firm = True
        else:
            start = _start_of(line)
            if start is not None:
                edits, firm = start
                for edit in edits:
                    yield Edit(begin + edit.begin, begin + edit.end, edit.new)
                tail = _CLOSING_HASHES.search(line, edits[-1].end) if "#" in line[:7] else None
                if tail:
                    yield Edit(begin + tail.start(), end, "")
            elif _TABLE_ROW.match(line):
                yield from _row_edits(line, begin)
                firm = True
        if number + 1 < len(lines):
            following = lines[number + 1]
            yield Edit(end, end + 1, _break(line, following, firm=firm))
        begin = end + 1


def _start_of(line: str) -> tuple[list[Edit], bool] | None:
    """How the mark of a heading, an item or a quote goes, and whether the line's break is firm."""
    edits: list[Edit] = []
    for pattern in (_HEADING, _BULLET):
        match = pattern.match(line)
        if match:
            edits.append(Edit(0, match.end(), ""))
            break
    number = _NUMBERED.match(line, edits[0].end if edits else 0)
    if number:
        # The number itself is spoken, its sign is a pause.
        edits.append(Edit(number.end("number"), number.end(), ", "))
    if edits:
        return edits, True
    match = _QUOTE.match(line)
    return ([Edit(0, match.end(), "")], False) if match else None


def _row_edits(line: str, begin: int) -> Iterator[Edit]:
    bars = [index for index, character in enumerate(line) if character == "|"]
    for index in bars:
        inner = index not in (bars[0], bars[-1])
        yield Edit(begin + index, begin + index + 1, "," if inner else "")


def _break(line: str, following: str, *, firm: bool) -> str:
    """What the break between two lines is for the ear."""
    if firm or _BLANK.match(following) or _start_of(following) or _BLANK.match(line):
        return FIRM_BREAK
    last = line.rstrip()[-1]
    if last in _ENDS:
        return " "
    first = following.lstrip()[0]
    wrapped = len(line) >= _WRAPPED and first.isalnum() and last.isascii()
    if wrapped or (first.islower() and first.isascii()):
        return " "
    return "\n"
