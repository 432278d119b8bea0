"""Numbers, dates, units and symbols as words (text.md 1.6): the exchangeable backends."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from indextts.errors import ConfigError
from indextts.stages.text.rules import read_chinese, read_english

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
            ``wetext-plain``: wetext as it is, with the flags of text.md 1.6;
            ``wetextprocessing``: what the reference uses (optional extra).
        cache_dir: where ``wetextprocessing`` keeps the grammar that it builds once (a minute);
            None is ``$XDG_CACHE_HOME/indextts`` or ``~/.cache/indextts``.

    Raises:
        ConfigError: unknown name, or a backend that is not installed.
    """
    if name == "wetext":
        return RuledWetext()
    if name == "wetext-plain":
        return PlainWetext()
    if name == "wetextprocessing":
        return WeTextProcessing(_default_cache() if cache_dir is None else cache_dir)
    raise ConfigError(
        f"unknown verbalizer {name!r}; choose wetext, wetext-plain or wetextprocessing"
    )


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
        _require("wetext", "wetext")
        from wetext import utils

        self._wetext: Any = utils
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


class PlainWetext:
    """wetext as it comes, with the flags that make it nearest to the reference."""

    def __init__(self) -> None:
        _require("wetext", "wetext")
        from wetext import Normalizer

        chinese = Normalizer(
            lang="zh",
            operator="tn",
            remove_erhua=False,
            remove_interjections=False,
            traditional_to_simple=True,
            full_to_half=True,
        )
        self._chinese: Callable[[str], str] = chinese.normalize
        self._english: Callable[[str], str] = Normalizer(lang="en", operator="tn").normalize
        self._lock = threading.Lock()

    def zh(self, text: str, check: Callable[[], None]) -> str:
        check()
        with self._lock:
            return self._chinese(text)

    def en(self, text: str, check: Callable[[], None]) -> str:
        check()
        with self._lock:
            return self._english(text)


class WeTextProcessing:
    """WeTextProcessing, which builds its Chinese grammar for our flags once, into `cache_dir`.

    Its answer for a text takes more than linear time and memory; it sees the text as a whole,
    as in the reference.
    """

    def __init__(self, cache_dir: Path) -> None:
        _require("tn", f"WeTextProcessing=={_WETEXTPROCESSING_VERSION}")
        from tn.chinese.normalizer import Normalizer as Chinese
        from tn.english.normalizer import Normalizer as English

        folder = cache_dir / f"wetextprocessing-{_WETEXTPROCESSING_VERSION}"
        if not folder.is_dir():
            _build_once(
                folder,
                lambda path: Chinese(
                    cache_dir=str(path), remove_interjections=False, remove_erhua=False
                ),
            )
        # The package brings the English grammar; it has no flags.
        chinese = Chinese(cache_dir=str(folder), remove_interjections=False, remove_erhua=False)
        self._chinese: Callable[[str], str] = chinese.normalize
        self._english: Callable[[str], str] = English().normalize
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


def _require(module: str, requirement: str) -> None:
    if find_spec(module) is None:
        raise ConfigError(
            f"the verbalizer needs a package that is not installed: pip install {requirement}"
        )
