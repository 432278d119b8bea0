"""Hide parts of a text from the verbaliser and bring them back (text.md 1.1, 1.3, 1.4).

The patterns are the specification's, arranged so that no input makes them quadratic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import ascii_lowercase

_ANNOTATION_MARK = "PRONPLACEHOLDER"
_ANNOTATION_TAG = re.compile(f"{_ANNOTATION_MARK}([a-z]+?){_ANNOTATION_MARK}")

PINYIN = re.compile(
    r"(?<![a-z])("
    r"(?:[bpmfdtnlgkhjqxzcsryw]|[zcs]h)?"
    r"(?:[aeiouüv]|[ae]i|u[aio]|ao|ou|i[aue]|[uüv]e|[uvü]ang?|uai|[aeiuv]n|[aeio]ng|ia[no]|i[ao]ng)"
    r"|ng|er)([1-5])",
    re.IGNORECASE,
)
_UMLAUT = re.compile(r"([jqx])[uü](n|e|an)*(\d)", re.IGNORECASE)

# A run of Chinese characters and up to two more behind a separator; possessive, so that a long
# run without a separator is looked at once.
_NAME = re.compile("[\u4e00-\u9fff]++(?:[-·—][\u4e00-\u9fff]++){0,2}+")
_NAME_SEPARATORS = "-·—"

_HYPHEN_CHAIN = re.compile("[A-Za-z0-9]++(?:-[A-Za-z0-9]++)*+")
_LETTER = re.compile("[A-Za-z]")
_HYPHEN_MARK = "<H>"


def letter_tag(index: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa, 27 -> ab ..."""
    tag = ""
    index += 1
    while index > 0:
        index, digit = divmod(index - 1, len(ascii_lowercase))
        tag = ascii_lowercase[digit] + tag
    return tag


def protect_annotations(text: str) -> tuple[str, dict[str, str]]:
    r"""Replace each ``<written|spoken>``, by the pattern ``<([^|>\n]+)\|([^>\n]+)>``.

    Returns:
        The text with placeholders, and tag -> annotation for :func:`restore_annotations`.
    """
    parts: list[str] = []
    saved: dict[str, str] = {}
    begin = 0
    while (end := text.find(">", begin)) >= 0:
        line = max(begin, text.rfind("\n", begin, end) + 1)
        start = _annotation_start(text, line, end)
        if start < 0:
            parts.append(text[begin : end + 1])
        else:
            tag = letter_tag(len(saved))
            saved[tag] = text[start : end + 1]
            parts += [text[begin:start], _ANNOTATION_MARK, tag, _ANNOTATION_MARK]
        begin = end + 1
    parts.append(text[begin:])
    return "".join(parts), saved


def _annotation_start(text: str, begin: int, end: int) -> int:
    """Where the annotation that ends with the ``>`` at `end` starts, or -1."""
    start = text.find("<", begin, end)
    while start >= 0:
        bar = text.find("|", start + 1, end)
        if bar < 0 or bar == end - 1:  # no bar, or nothing between it and the end
            return -1
        if bar > start + 1:
            return start
        start = text.find("<", bar, end)
    return -1


def restore_annotations(text: str, saved: Mapping[str, str]) -> str:
    if not saved:
        return text
    return _ANNOTATION_TAG.sub(lambda match: saved.get(match[1], match[0]), text)


def protect_hyphens(text: str) -> tuple[str, bool]:
    """Mark the hyphens of technical terms (``GPT-5-Nano`` -> ``GPT<H>5<H>Nano``).

    A term is a chain of letters and digits joined by hyphens, from its first letter on.

    Returns:
        The text, and whether a term was found.
    """
    found = False

    def mark(match: re.Match[str]) -> str:
        nonlocal found
        chain = match[0]
        letter = _LETTER.search(chain)
        if letter is None or "-" not in chain[letter.start() :]:
            return chain
        found = True
        head = chain[: letter.start()]
        return head + chain[letter.start() :].replace("-", _HYPHEN_MARK)

    return _HYPHEN_CHAIN.sub(mark, text), found


def restore_hyphens(text: str) -> str:
    """Put the hyphens back, without the spaces that the verbaliser set around the marks."""
    first, *others = text.split(_HYPHEN_MARK)
    if not others:
        return text
    *middle, last = others
    return "-".join([first.rstrip(), *(part.strip() for part in middle), last.lstrip()])


def protect_pinyin(text: str) -> tuple[str, dict[str, str]]:
    """Replace toned syllables (``xuan4``) by ``<pinyin_a>``, ``<pinyin_b>`` ..."""
    return _hide(text, (match[0] for match in PINYIN.finditer(text)), "pinyin")


def restore_pinyin(text: str, saved: Mapping[str, str]) -> str:
    """Bring the syllables back, spelled as the vocabulary has them (``xuan4`` -> ``XVAN4``)."""
    return _show(text, {mark: spell_pinyin(syllable) for mark, syllable in saved.items()})


def spell_pinyin(syllable: str) -> str:
    """After j, q and x a ``u`` stands for ``ü``, which the vocabulary writes ``V``."""
    if syllable[0] not in "jqxJQX":
        return syllable
    return _UMLAUT.sub(lambda m: f"{m[1]}v{m[2] or ''}{m[3]}", syllable).upper()


def protect_names(text: str) -> tuple[str, dict[str, str]]:
    """Replace Chinese names with separators (克里斯托弗·诺兰) by ``<n_a>``, ``<n_b>`` ..."""
    names = (match[0] for match in _NAME.finditer(text))
    return _hide(text, (n for n in names if any(s in n for s in _NAME_SEPARATORS)), "n")


def restore_names(text: str, saved: Mapping[str, str]) -> str:
    return _show(text, saved)


def _hide(text: str, found: Iterable[str], kind: str) -> tuple[str, dict[str, str]]:
    """Replace every occurrence of the found strings: the longest first, then the first one.

    Beyond ``z`` the tags go on with ``aa``: letters pass every verbaliser unchanged.
    """
    saved: dict[str, str] = {}
    for index, item in enumerate(sorted(dict.fromkeys(found), key=len, reverse=True)):
        mark = f"<{kind}_{letter_tag(index)}>"
        saved[mark] = item
        text = text.replace(item, mark)
    return text, saved


def _show(text: str, saved: Mapping[str, str]) -> str:
    for mark, item in saved.items():
        text = text.replace(mark, item)
    return text
