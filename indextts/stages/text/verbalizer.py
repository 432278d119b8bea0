"""Numbers, dates, units and symbols as words (text.md 1.6): the exchangeable backends."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from indextts.errors import ConfigError, TextError, TextFault
from indextts.stages.text.rules import read_chinese, read_english
from indextts.utils.packages import require

_WETEXTPROCESSING_VERSION = "1.0.4.1"


class Verbalizer(Protocol):
    """Writes a text out in words; may raise on text it cannot read.  Safe for many threads."""

    def zh(self, text: str, check: Callable[[], None]) -> str:
        """Text of the Chinese path, which may hold Latin words; `check` is asked now and then."""
        ...

    def en(self, text: str, check: Callable[[], None]) -> str:
        """Text of the English path."""
        ...


def load_verbalizer(name: str = "wetext", cache_dir: Path | None = None) -> Verbalizer:
    """Load a backend.

    Args:
        name: ``wetext``: the default, wetext with our rules around it;
            ``wetextprocessing``: what the reference uses (optional extra);
            ``none``: needs no package, and takes only text that is all words already.
        cache_dir: where ``wetextprocessing`` keeps the grammar that it builds once (a minute);
            None is ``$XDG_CACHE_HOME/indextts`` or ``~/.cache/indextts``.

    Raises:
        ConfigError: unknown name, or a backend that is not installed.
    """
    if name == "wetext":
        return RuledWetext()
    if name == "wetextprocessing":
        return WeTextProcessing(_default_cache() if cache_dir is None else cache_dir)
    if name == "none":
        return WordsOnly()
    raise ConfigError(f"unknown verbalizer {name!r}; choose wetext, wetextprocessing or none")


class WordsOnly:
    """No verbaliser: text in simplified characters or plain letters is spoken as it stands."""

    def zh(self, text: str, check: Callable[[], None]) -> str:
        """The text itself; raises TextError where something in it is not a word."""
        return self._checked(text)

    def en(self, text: str, check: Callable[[], None]) -> str:
        """As :meth:`zh`."""
        return self._checked(text)

    @staticmethod
    def _checked(text: str) -> str:
        written = sorted({c for c in text if _is_written(c)})
        if written:
            raise TextError(
                f"nobody reads numbers and signs here (verbalizer none), but the text has "
                f"{' '.join(written)}; write them out, or install wetext",
                TextFault.NOT_IN_WORDS,
            )
        return text


def _is_written(character: str) -> bool:
    """Digits, currencies and signs that are said otherwise than they are written."""
    category = unicodedata.category(character)
    return category in ("Nd", "No", "Sc") or character in "%‰°℃℉+=×÷±&@#"


def load_simplifier() -> Callable[[str], str]:
    """wetext's step from traditional Chinese characters to simplified ones.

    Raises:
        ConfigError: wetext is not installed.
    """
    return _WetextGrammar().simplify


class RuledWetext:
    """wetext's grammars under the rules of :mod:`indextts.stages.text.rules`."""

    def __init__(self) -> None:
        self._grammar = _WetextGrammar()

    def zh(self, text: str, check: Callable[[], None]) -> str:
        return read_chinese(self._grammar, text, check)

    def en(self, text: str, check: Callable[[], None]) -> str:
        return read_english(self._grammar, text, check)


class _WetextGrammar:
    """wetext's single steps (its module ``utils``), one at a time."""

    def __init__(self) -> None:
        self._wetext: Any = _package("wetext.utils", "wetext")
        # kaldifst holds the interpreter lock anyway; nothing says that it stays that way.
        self._lock = threading.Lock()

    def tag(self, text: str, language: Literal["zh", "en"]) -> str:
        with self._lock:
            return str(self._wetext.tag(text, language, "tn"))

    def verbalize(self, tagged: str, language: Literal["zh", "en"]) -> str:
        with self._lock:
            ordered = self._wetext.reorder(tagged, language, "tn")
            return str(self._wetext.verbalize(ordered, language, "tn"))

    def simplify(self, text: str) -> str:
        with self._lock:
            return str(self._wetext.preprocess(text, traditional_to_simple=True))

    def half_width(self, text: str) -> str:
        with self._lock:
            return str(self._wetext.postprocess(text, full_to_half=True))


class WeTextProcessing:
    """WeTextProcessing, which builds its Chinese grammar for our flags once, into `cache_dir`.

    Its answer for a text takes more than linear time and memory; it sees the text as a whole,
    as in the reference.
    """

    def __init__(self, cache_dir: Path) -> None:
        requirement = f"WeTextProcessing=={_WETEXTPROCESSING_VERSION}"
        chinese_class = _package("tn.chinese.normalizer", requirement).Normalizer
        english_class = _package("tn.english.normalizer", requirement).Normalizer
        folder = cache_dir / f"wetextprocessing-{_WETEXTPROCESSING_VERSION}"
        if not folder.is_dir():
            _build_once(
                folder,
                lambda path: chinese_class(
                    cache_dir=str(path), remove_interjections=False, remove_erhua=False
                ),
            )
        # The package brings the English grammar; it has no flags.
        chinese = chinese_class(
            cache_dir=str(folder), remove_interjections=False, remove_erhua=False
        )
        self._chinese: Callable[[str], str] = chinese.normalize
        self._english: Callable[[str], str] = english_class().normalize
        self._lock = threading.Lock()
        for name in ("wetext-zh_normalizer", "wetext-en_normalizer"):
            # It adds a handler that writes to stderr with every load.
            logging.getLogger(name).handlers.clear()

    def zh(self, text: str, check: Callable[[], None]) -> str:
        check()
        with self._lock:
            return self._chinese(text)

    def en(self, text: str, check: Callable[[], None]) -> str:
        check()
        with self._lock:
            return self._english(text)


def _build_once(folder: Path, build: Callable[[Path], object]) -> None:
    """Fill `folder` by `build`; it appears complete or not at all, also with two builders."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as scratch:
        made = Path(scratch) / "grammar"
        build(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was quicker
                raise


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "indextts"


def _package(module: str, requirement: str) -> Any:
    return require(module, requirement, "the verbalizer")
