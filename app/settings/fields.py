"""How one setting is declared, parsed and shown.

A setting is a dataclass field with metadata: help text, bounds, whether it is a secret.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

PREFIX = "INDEXTTS_"
DAY = 86_400  # in seconds
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable and says what is allowed."""


@dataclass(frozen=True)
class Check:
    """What a text, or each part of a list, must be.

    Attributes:
        pattern: regular expression for the whole of it.
        allowed: the same in words, behind "use".
    """

    pattern: str
    allowed: str


@dataclass(frozen=True)
class FieldInfo:
    """What a setting's field carries beside its type and default."""

    group: str
    help: str
    secret: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    check: Check | None = None


def setting(default: Any, group: str, help: str, **more: Any) -> Any:
    """Declare a setting as a dataclass field."""
    return dataclasses.field(default=default, metadata={"info": FieldInfo(group, help, **more)})


def variable(name: str) -> str:
    """Name of the environment variable of a field."""
    return PREFIX + name.upper()


def parse(name: str, kind: Any, text: str, info: FieldInfo) -> Any:
    """Turn the text of a variable into the field's type.

    Raises:
        SettingsError: not of the type, or outside the bounds.
    """
    text = text.strip()
    if kind is bool:
        return _parse_bool(name, text)
    if kind is int or kind is float:
        return _parse_number(name, kind, text, info)
    if kind is str:
        if info.choices:
            return _parse_choice(name, text, info)
        check(name, text, info)
        return text
    # The only other type of a setting is tuple[str, ...].
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in parts:
        check(name, part, info)
    return parts


def check(name: str, text: str, info: FieldInfo) -> None:
    """Raises SettingsError where the text of a setting cannot be used."""
    if info.check is not None and not re.fullmatch(info.check.pattern, text):
        shown = "this value" if info.secret else repr(text)
        raise SettingsError(f"{variable(name)}: {shown} cannot be used; use {info.check.allowed}")


def render(value: Any) -> str:
    """The text that would give `value` again."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _parse_choice(name: str, text: str, info: FieldInfo) -> str:
    lowered = text.lower()
    if lowered not in info.choices:
        raise SettingsError(f"{variable(name)}: use one of {', '.join(info.choices)}")
    return lowered


def _parse_bool(name: str, text: str) -> bool:
    lowered = text.lower()
    if lowered in TRUE:
        return True
    if lowered in FALSE:
        return False
    raise SettingsError(f"{variable(name)}: use true or false")


def _parse_number(name: str, kind: type[int] | type[float], text: str, info: FieldInfo) -> float:
    try:
        value = kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{variable(name)}: expected {what}") from None
    low = -float("inf") if info.minimum is None else info.minimum
    high = float("inf") if info.maximum is None else info.maximum
    # Written so that NaN fails too.
    if not low <= value <= high or value in (float("inf"), -float("inf")):
        raise SettingsError(f"{variable(name)}: must be {bounds(info)}")
    return value


def bounds(info: FieldInfo) -> str:
    """The allowed range in words."""
    if info.minimum is not None and info.maximum is not None:
        return f"{info.minimum:.15g} to {info.maximum:.15g}"
    if info.minimum is not None:
        return f"at least {info.minimum:g}"
    return "a finite number"
