"""Read the settings from the environment and an optional file; show them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from app.settings.fields import PREFIX, FieldInfo, SettingsError, parse, render, variable
from app.settings.model import Settings

# Settings that are gone, and what to do instead.
REMOVED = {
    "INDEXTTS_FETCH_CACHE_BYTES": "downloads are not cached any more; what the model made of a "
    "clip is (INDEXTTS_VOICE_CACHE_BYTES). Take the setting out.",
}
# Variables of ours that configure something else: the tests.
FOREIGN_PREFIXES = (PREFIX + "TEST_",)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from ``INDEXTTS_*`` variables.

    The file that ``INDEXTTS_ENV_FILE`` names is read first; the environment wins over it.

    Raises:
        SettingsError: a value cannot be used, or the file cannot be read.
    """
    merged = merge_env_file(environ)
    for name, sentence in REMOVED.items():
        if merged.get(name, "").strip():
            raise SettingsError(f"{name} was removed: {sentence}")
    values: dict[str, Any] = {}
    for name, kind, info in fields():
        text = merged.get(variable(name), "")
        # An empty value means the default, as in env files with blanks to fill in.
        if text.strip():
            values[name] = parse(name, kind, text, info)
    return Settings(**values)


def load_for_start(environ: Mapping[str, str]) -> Settings:
    """As :func:`load_settings`, on the machine that they are for.

    What a worker would only find out later ends the start with one line.

    Raises:
        SettingsError: also where a file that is named cannot be read.
    """
    settings = load_settings(environ)
    for name in ("api_keys_file", "jwt_public_key_file"):
        path = getattr(settings, name)
        try:
            if path:
                Path(path).open("rb").close()
        except OSError as error:
            raise SettingsError(f"{variable(name)}: cannot read the file: {error}") from None
    return settings


def merge_env_file(environ: Mapping[str, str]) -> dict[str, str]:
    """The ``INDEXTTS_*`` variables of the environment over those of the env file."""
    own = {key: value for key, value in environ.items() if key.startswith(PREFIX)}
    path = own.get(variable("env_file"), "").strip()
    return {**read_env_file(Path(path)), **own} if path else own


def read_env_file(path: Path) -> dict[str, str]:
    """Parse ``NAME=value`` lines; ``#`` starts a comment line, quotes around a value go.

    Raises:
        SettingsError: unreadable file, or a line that is no assignment.
    """
    try:
        # Editors on Windows put a byte order mark in front.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"INDEXTTS_ENV_FILE: cannot read {path}: {error}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise SettingsError(f"{path}, line {number}: expected NAME=value")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if name.strip().startswith(PREFIX):
            found[name.strip()] = value
    return found


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each ``INDEXTTS_*`` variable that means nothing, with the nearest name."""
    known = [variable(name) for name, _, _ in fields()]
    sentences = []
    for key in sorted(merge_env_file(environ)):
        if key in known or key.startswith(FOREIGN_PREFIXES):
            continue
        # Without the prefix: what all names share makes none of them similar.
        near = difflib.get_close_matches(
            key.removeprefix(PREFIX), [name.removeprefix(PREFIX) for name in known], n=1
        )
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        sentences.append(f"unknown setting {key} is ignored{hint}")
    return sentences


def redacted(settings: Settings) -> dict[str, str]:
    """All settings as text; secrets are replaced by a mark that only says whether they are set."""
    shown = {}
    for name, _, info in fields():
        value = getattr(settings, name)
        shown[name] = ("***" if value else "") if info.secret else render(value)
    return shown


def fields() -> Iterator[tuple[str, Any, FieldInfo]]:
    """Name, type and information of each setting, in order."""
    hints = get_type_hints(Settings)
    for field in dataclasses.fields(Settings):
        yield field.name, hints[field.name], field.metadata["info"]


def markdown_table() -> str:
    """The tables of ``docs/configuration.md``, one for each group."""
    defaults = Settings()
    lines: list[str] = []
    group = ""
    for name, _, info in fields():
        if info.group != group:
            group = info.group
            lines += [
                "",
                f"### {group}",
                "",
                "| Variable | Default | Meaning |",
                "| --- | --- | --- |",
            ]
        default = render(getattr(defaults, name))
        choices = (
            f" One of {', '.join(f'`{choice}`' for choice in info.choices)}."
            if info.choices
            else ""
        )
        shown = f"`{default}`" if default else ""
        lines.append(f"| `{variable(name)}` | {shown} | {info.help}{choices} |")
    return "\n".join(lines[1:]) + "\n"
