"""Build frozen dataclasses from parsed YAML or JSON, strictly."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from indextts.errors import ConfigError

T = TypeVar("T")


def from_mapping(cls: type[T], data: object, where: str, *, ignore_unknown: bool = False) -> T:
    """Fill dataclass `cls` from a mapping; nested dataclasses and tuples are built likewise.

    Args:
        cls: a dataclass type whose annotations are plain types, tuples or dataclasses.
        data: what a YAML or JSON parser returned.
        where: name of the section, for messages.
        ignore_unknown: for files of other projects, whose further keys mean nothing to us.

    Raises:
        ConfigError: unknown key, missing key, or a value of the wrong type.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected a section with keys, got {type(data).__name__}")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in data if key not in fields)
    if unknown and not ignore_unknown:
        raise ConfigError(
            f"{where}: unknown key {', '.join(unknown)}; known keys are {', '.join(sorted(fields))}"
        )
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(data[name], hints[name], f"{where}.{name}", ignore_unknown)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: missing key {name}")
    return cls(**values)


def _convert(value: object, kind: Any, where: str, ignore_unknown: bool) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        options = get_args(kind)
        if value is None and type(None) in options:
            return None
        kind = next(option for option in options if option is not type(None))
        return _convert(value, kind, where, ignore_unknown)
    if dataclasses.is_dataclass(kind):
        return from_mapping(kind, value, where, ignore_unknown=ignore_unknown)  # type: ignore[arg-type]
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        item = get_args(kind)[0]
        return tuple(
            _convert(entry, item, f"{where}[{index}]", ignore_unknown)
            for index, entry in enumerate(value)
        )
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Any:
        return value
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value


def require_value(value: object, allowed: object, name: str) -> None:
    """Raises ConfigError where a setting has a value that we do not implement."""
    if value != allowed:
        raise ConfigError(f"{name}: only {allowed!r} is supported, got {value!r}")
