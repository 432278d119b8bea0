"""Addresses of the web, of mail and of files, handles and hashtags, in the words of a language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address

from indextts.stages.text.glossary import Language
from indextts.stages.text.natural import chinese_numbers, english_numbers
from indextts.stages.text.natural.rules import Rule, alternatives, listed

_TLDS = listed(
    """
com org net edu gov mil int info biz io ai app dev co me tv uk us eu de fr es it nl be ch at ru cn
jp kr tw hk sg in au nz ca br mx se no fi dk pl cz ie xyz online site tech cloud shop blog news
wiki page link live pro club top vip design academy
"""
)
_EXTENSIONS = listed(
    """
txt pdf md json yaml yml csv tsv xml html htm css js ts tsx jsx py ipynb rb go rs java kt c h cpp
hpp cs php sh bat exe dll so zip tar gz rar png jpg jpeg gif svg webp bmp mp3 mp4 wav flac ogg mov
avi mkv doc docx xls xlsx ppt pptx log ini toml cfg conf env lock sql db iso dmg apk epub tex bin
pth pt safetensors onnx gguf
"""
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})"
_TAIL = r"(?:[/?#][A-Za-z0-9/?#%&=_.~+:@!$,;*-]{0,300})?"
# A mark at the very end belongs to the sentence.
_NO_MARK = r"(?<![.,;:!?-])"
_MAIL = re.compile(
    rf"(?:mailto:)?(?P<all>[A-Za-z0-9][A-Za-z0-9._%+-]{{0,63}}@{_LABEL}(?:\.{_LABEL}){{1,6}})(?![A-Za-z0-9@])"
)
_WEB = re.compile(
    rf"(?:(?:https?|ftp)://(?P<host>{_LABEL}(?:\.{_LABEL}){{0,6}})"
    rf"|(?P<www>www\.{_LABEL}(?:\.{_LABEL}){{1,6}})"
    rf"|(?P<bare>{_LABEL}(?:\.{_LABEL}){{0,4}}\.{alternatives(_TLDS)})(?![A-Za-z0-9-]|\.[a-z0-9]))"
    rf"(?P<port>:\d{{1,5}}(?!\d))?(?P<tail>{_TAIL}){_NO_MARK}",
    re.ASCII,
)
_FILE = re.compile(
    rf"(?P<all>[A-Za-z0-9](?:[A-Za-z0-9_-]{{0,60}})(?:\.[A-Za-z0-9_-]{{1,30}}){{0,3}}\.{alternatives(_EXTENSIONS)})(?![A-Za-z0-9])"
)
_PATH = re.compile(
    r"(?P<all>(?:[A-Za-z]:|\.{1,2}|~)?(?:[/\\][A-Za-z0-9_.@~-]{1,64}){2,20}[/\\]?)(?<![.,])"
)
_HANDLE = re.compile(r"@(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]{0,40}[A-Za-z0-9_]|[A-Za-z0-9_])")
_HASHTAG = re.compile(r"#(?P<name>[A-Za-z][A-Za-z0-9_]{0,60})")
_DOTTED = re.compile(
    r"(?P<all>[A-Za-z_][A-Za-z0-9_]{0,60}(?:\.[a-z_][A-Za-z0-9_]{0,60}){1,6})(?P<call>\(\))?(?![A-Za-z0-9_])"
)
_GROUPS = r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,7}"
_IPV6 = re.compile(
    rf"(?P<all>(?P<first>{_GROUPS})?(?P<gap>::)?(?P<last>(?<=::){_GROUPS}(?:(?:\.\d{{1,3}}){{3}})?)?)"
    r"(?P<length>/\d{1,3})?(?![0-9A-Za-z:]|\.\d)"
)
_SPLIT = re.compile(r"[A-Za-z]+|\d+|.", re.DOTALL)
_IPV6_PARTS = re.compile("::|.")
_HAS_DIGIT = re.compile("[0-9]")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class SignNames:
    """How the signs in addresses are called.

    Attributes:
        names: sign -> its name.
        port: in front of a port's number.
        handle, hashtag: in front of a name.
        double: in front of the name of a sign that is there twice.
    """

    names: Mapping[str, str]
    port: str
    handle: str
    hashtag: str
    double: str


SIGNS: Mapping[Language, SignNames] = {
    "en": SignNames(
        {
            ".": "dot",
            "/": "slash",
            "\\": "backslash",
            "-": "dash",
            "_": "underscore",
            "@": "at",
            ":": "colon",
            "?": "question mark",
            "=": "equals",
            "&": "and",
            "#": "hash",
            "%": "percent",
            "+": "plus",
            "~": "tilde",
            "*": "star",
            "!": "exclamation mark",
            "$": "dollar",
            ",": "comma",
            ";": "semicolon",
        },
        port="port",
        handle="at",
        hashtag="hashtag",
        double="double",
    ),
    "zh": SignNames(
        {
            ".": "点",
            "/": "斜杠",
            "\\": "反斜杠",
            "-": "杠",
            "_": "下划线",
            "@": "艾特",
            ":": "冒号",
            "?": "问号",
            "=": "等于",
            "&": "和",
            "#": "井号",
            "%": "百分号",
            "+": "加",
            "~": "波浪号",
            "*": "星号",
            "!": "感叹号",
            "$": "美元",
            ",": "逗号",
            ";": "分号",
        },
        port="端口",
        handle="艾特",
        hashtag="",
        double="双",
    ),
}


def spell_address(text: str, language: Language) -> str:
    """Every sign by its name, every number digit by digit, the letters as words."""
    words = []
    names = SIGNS[language].names
    for part in _SPLIT.findall(text):
        if part.isdecimal() and len(part) <= 2 and part[0] != "0":
            words.append(_cardinal(part, language))
        elif part.isdecimal():
            words.append(_digits(part, language))
        elif part.isalpha():
            words.append(part)
        else:
            words.append(names.get(part, ""))
    return " ".join(word for word in words if word)


def _digits(text: str, language: Language) -> str:
    return english_numbers.digits(text) if language == "en" else chinese_numbers.digits(text)


def _cardinal(text: str, language: Language) -> str:
    return english_numbers.cardinal(text) if language == "en" else chinese_numbers.cardinal(text)


def _web(match: re.Match[str], language: Language) -> str | None:
    bare = match["bare"]
    if bare and not _plausible(bare):
        return None
    host = match["host"] or match["www"] or bare
    if host.lower().startswith("www."):
        host = host[4:]
        words = "w w w " + SIGNS[language].names["."] + " " + spell_address(host, language)
    else:
        words = spell_address(host, language)
    if match["port"]:
        words += f" {SIGNS[language].port} {_digits(match['port'], language)}"
    tail = match["tail"].rstrip("/")
    return f"{words} {spell_address(tail, language)}" if tail else words


def _plausible(host: str) -> bool:
    """No sentence whose blank behind the full stop was forgotten ("it.In")."""
    last = host.rpartition(".")[2]
    if not (last.islower() or host.isupper() or last in ("NET",)):
        return False
    return (
        last not in ("in", "it", "me", "us", "at", "no", "be", "is", "so")
        or "/" in host
        or (host.count(".") > 1)
    )


def _ipv6(match: re.Match[str], language: Language) -> str | None:
    """Signs one by one, for what the standard library takes for an address (RFC 4291)."""
    text = match["all"]
    if not _HAS_DIGIT.search(text) or text.count(":") < 2:
        return None  # "a::b" is a name of C++
    try:
        IPv6Address(text)
    except ValueError:
        return None
    names = SIGNS[language].names
    words = []
    for part in _IPV6_PARTS.findall(text):
        if part == "::":
            words.append(f"{SIGNS[language].double} {names[':']}")
        else:
            words.append(names.get(part) or _digits(part, language) or part)
    if match["length"]:
        words.append(f"{names['/']} {_cardinal(match['length'][1:], language)}")
    return " ".join(words)


def _handle(match: re.Match[str], language: Language) -> str:
    name = " ".join(_CAMEL.split(match["name"]))
    return f"{SIGNS[language].handle} {spell_address(name, language)}".strip()


def _hashtag(match: re.Match[str], language: Language) -> str:
    name = " ".join(_CAMEL.split(match["name"].replace("_", " ")))
    return f"{SIGNS[language].hashtag} {spell_address(name, language)}".strip()


def _dotted(match: re.Match[str], language: Language) -> str | None:
    """Names of a program: "np.array" -> "np dot array"."""
    parts = match["all"].split(".")
    if not match["call"] and (any(len(p) < 2 for p in parts) or parts[0][0].isupper()):
        return None
    return spell_address(match["all"], language)


def address_rules(language: Language) -> tuple[Rule, ...]:
    """The rules of a language; they are tried at the beginning of a word."""
    english = language == "en"

    def whole(match: re.Match[str]) -> str:
        return spell_address(match["all"], language)

    return (
        Rule(
            "address of IPv6",
            _IPV6,
            lambda match: _ipv6(match, language),
            {
                "Ping fe80::1a2 now": "Ping f e eight zero double colon one a two now",
                "use std::vector": "use std, vector",
            }
            if english
            else {"地址是fe80::1。": "地址是f e 八 零 双 冒号 一."},
        ),
        Rule(
            "mail address",
            _MAIL,
            whole,
            {
                "info@example.com": "info at example dot com",
                "Mail a.b_c@x-y.org!": "Mail a dot b underscore c at x dash y dot org!",
            }
            if english
            else {"请发到li.wei@example.com。": "请发到li 点 wei 艾特 example 点 com."},
        ),
        Rule(
            "web address",
            _WEB,
            lambda match: _web(match, language),
            {
                "See example.com. It works.": "See example dot com. It works.",
                "Open https://www.example.org/a-b?c=1 now": "Open w w w dot example dot org slash a"
                " dash"
                " b"
                " question mark c equals one now",
            }
            if english
            else {"请访问www.example.com。": "请访问w w w 点 example 点 com."},
        ),
        Rule(
            "name of a file",
            _FILE,
            whole,
            {"Open report_v2.pdf now.": "Open report underscore v two dot pdf now."}
            if english
            else {"打开data.csv文件": "打开data 点 csv文件"},
        ),
        Rule(
            "path of a file",
            _PATH,
            whole,
            {"in /usr/local/bin": "in slash usr slash local slash bin"} if english else {},
        ),
        Rule(
            "handle",
            _HANDLE,
            lambda match: _handle(match, language),
            {"Thanks @jane_doe!": "Thanks at jane underscore doe!"}
            if english
            else {"@xiaoming你好": "艾特 xiaoming你好"},
        ),
        Rule(
            "hashtag",
            _HASHTAG,
            lambda match: _hashtag(match, language),
            {"#MachineLearning rocks": "hashtag Machine Learning rocks"} if english else {},
        ),
        Rule(
            "name in a program",
            _DOTTED,
            lambda match: _dotted(match, language),
            {"call np.array today": "call np dot array today"} if english else {},
        ),
    )
