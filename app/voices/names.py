"""Names of voices: what they may look like, and which are the same.

Names become file names, stand in addresses and are read by people, so they are letters, digits,
``-`` and ``_`` of any script and nothing else: no separator, no dot, no blank, nothing invisible.
"""

from __future__ import annotations

import re
import unicodedata

from app.voices.errors import BadVoiceNameError

MAX_CHARS = 64
# File systems stop at 255 bytes; a suffix must fit behind the name.
MAX_BYTES = 200
MAX_MARKS = 2

# Devices of Windows, whatever suffix follows.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
# Alphabets with letters that look the same: a name holds letters of one of them.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE", "LISU"})
# Letters and marks that show nothing (Unicode: Default_Ignorable_Code_Point).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def check_name(text: str) -> str:
    """The name in Unicode's composed form (NFC).

    Args:
        text: of any length and content.

    Raises:
        BadVoiceNameError: it cannot be a name; the reason does not repeat it.
    """
    if not text:
        raise BadVoiceNameError("The name of the voice is empty.")
    # Before anything looks at each character.
    if len(text) > MAX_CHARS:
        raise BadVoiceNameError(f"The name of a voice has at most {MAX_CHARS} characters.")
    # Most names are plain, and a listing checks hundreds.
    name = text if _PLAIN.fullmatch(text) else _check_unicode(unicodedata.normalize("NFC", text))
    if name.casefold() in _DEVICES:
        raise BadVoiceNameError("This name is reserved on some systems; choose another.")
    return name


def name_key(name: str) -> str:
    """What two names have in common that differ in case only: such names are the same voice."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())


def _check_unicode(name: str) -> str:
    """A composed name that is not plain; raises BadVoiceNameError."""
    _check_characters(name)
    if len(name) > MAX_CHARS or len(name.encode()) > MAX_BYTES:
        raise BadVoiceNameError(
            f"The name of a voice has at most {MAX_CHARS} characters and {MAX_BYTES} bytes."
        )
    if unicodedata.normalize("NFKC", name) != name:
        raise BadVoiceNameError(
            "The name of a voice holds a variant of a letter or digit, such as a full-width or "
            "raised one; use the plain one."
        )
    if len({script for char in name if (script := _script(char)) in _ALIKE}) > 1:
        raise BadVoiceNameError(
            "The name of a voice mixes letters of alphabets that look alike, such as Latin and "
            "Cyrillic."
        )
    return name


def _check_characters(name: str) -> None:
    marks = 0
    for index, char in enumerate(name):
        kind = unicodedata.category(char)
        letter = kind[0] == "L" or kind == "Nd"
        # Marks are part of many scripts, as the vowels of Hindi are; they belong to a letter.
        marks = marks + 1 if kind in ("Mn", "Mc") else 0
        allowed = letter or (
            index > 0 and (char in "-_" or (marks and name[index - 1] not in "-_"))
        )
        if not allowed or marks > MAX_MARKS or _INVISIBLE.match(char):
            raise BadVoiceNameError(
                "The name of a voice consists of letters, digits, - and _, and begins with a "
                "letter or digit."
            )


def _script(char: str) -> str:
    """The first word of a letter's Unicode name, which is its script: "LATIN SMALL LETTER A"."""
    return unicodedata.name(char, "").partition(" ")[0]
