"""English sentences: the examples in WordNet's glosses (WordNet licence, Debian wordnet-base)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from indextts.stages.text.phonemes import Lexicon

FILES = ("data.verb", "data.adj", "data.noun", "data.adv")
MIN_WORDS, MAX_WORDS, MAX_LETTERS = 4, 16, 90
_EXAMPLE = re.compile(r'"([^"]+)"')
_PLAIN = re.compile(r"[A-Za-z][A-Za-z' ,-]*[A-Za-z][.?!]?")
# Matched at the beginning of words.
BLOCKED = re.compile(
    r"\b(?:kill|murder|rap(?:e|ist)|sex|whor|prostitut|slut|bitch|bastard|damn|hell\b|fuck|shit|"
    r"piss|nigg|negro|jew|nazi|hitler|slave|suicid|corpse|dead|death|die[sd]?\b|dying|gun|bomb|"
    r"weapon|shoot|shot|stab|blood|drug|heroin|cocain|drunk|cunt|cock|penis|vagin|breast|naked|"
    r"nude|lust|orgas|genital|homosex|gay|queer|fag|cripple|retard|idiot|moron|savage|terror|"
    r"tortur|execut|hang(?:ed|ing)|rob(?:bed|ber)|abort|incest|pervert|god\b|christ|jesus|allah|"
    r"muslim|islam|catholic|hate|enem|war\b|wars\b|army|soldier|beat(?:en)?\b|whip|vomit|excrement)",
    re.IGNORECASE,
)


def examples(folder: Path, lexicon: Lexicon) -> list[str]:
    """Sentences of which every word has a known reading, in file order, without doubles.

    Args:
        folder: holds ``data.verb`` and so on (``/usr/share/wordnet``).

    Raises:
        FileNotFoundError: it does not; the message says how to get them.
    """
    found: dict[str, None] = {}
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: apt-get install wordnet-base, or unpack the package "
                "and give --wordnet FOLDER"
            )
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if " | " in line:
                for example in _EXAMPLE.findall(line.split(" | ", 1)[1]):
                    sentence = tidy(example)
                    if sentence and _readable(sentence, lexicon):
                        found[sentence] = None
    return list(found)


def tidy(example: str) -> str | None:
    """A gloss's example as a sentence; None where it does not make a good one."""
    text = re.sub(r"\s+", " ", example).strip(" ;,")
    if not _PLAIN.fullmatch(text) or BLOCKED.search(text) or len(text) > MAX_LETTERS:
        return None
    if not MIN_WORDS <= len(text.split()) <= MAX_WORDS or text.isupper():
        return None
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."


def _readable(sentence: str, lexicon: Lexicon) -> bool:
    words = re.findall("[a-z']+", sentence.lower())
    return all(word in lexicon.english for word in words)


def sentences(folder: Path, lexicon: Lexicon, seed: int) -> Iterator[str]:
    """All examples in an order that the seed gives, again and again."""
    rows = examples(folder, lexicon)
    random.Random(f"{seed}/english").shuffle(rows)
    while True:
        yield from rows
