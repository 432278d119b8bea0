"""``aliases.yaml``: further names of the stored voices, such as those of OpenAI."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from app.voices.errors import BadVoiceNameError
from app.voices.files import Signature, read_regular, signature
from app.voices.names import check_name, name_key
from indextts.utils.yaml_texts import load_texts

log = logging.getLogger(__name__)

ALIASES = "aliases.yaml"
MAX_ALIASES_BYTES = 64 * 1024


class AliasFileError(ValueError):
    """The file cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Alias:
    """A further name of a voice."""

    name: str
    voice: str


Aliases = Mapping[str, Alias]  # by name_key of the alias


class AliasFile:
    """The aliases as the file has them now; it is read again when it changes.

    A file that cannot be used is reported in the log, once; what it said before stays.

    Args:
        path: of the file, which may be missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read: Signature | None = None
        self._aliases: Aliases = MappingProxyType({})

    def current(self) -> Aliases:
        """The aliases; empty where there is no file."""
        with self._lock:
            found = signature(self._path)
            if found != self._read:
                self._read = found
                self._update()
            return self._aliases

    def _update(self) -> None:
        try:
            self._aliases = parse_aliases(read_regular(self._path, MAX_ALIASES_BYTES + 1))
        except FileNotFoundError:
            self._aliases = MappingProxyType({})
        except (OSError, AliasFileError) as error:
            log.error("%s cannot be used: %s", self._path, error)


def parse_aliases(data: bytes) -> Aliases:
    """Read ``alias: voice`` lines of YAML; names are taken as they are written.

    Raises:
        AliasFileError: no YAML, no mapping of texts, or a name that cannot be one.
    """
    if len(data) > MAX_ALIASES_BYTES:
        raise AliasFileError(f"it is larger than {MAX_ALIASES_BYTES} bytes")
    try:
        found = load_texts(data.decode("utf-8-sig"))
    # A ValueError is a tag whose type the value does not fit, or text that is no UTF-8.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise AliasFileError(f"it is no YAML: {error}") from None
    if found is None:
        return MappingProxyType({})
    if not isinstance(found, dict):
        raise AliasFileError("expected lines of the form `alias: voice`")
    aliases: dict[str, Alias] = {}
    for name, voice in found.items():
        if not isinstance(name, str) or not isinstance(voice, str):
            raise AliasFileError(f"{name!r}: {voice!r} is not two names: write `alias: voice`")
        try:
            alias = Alias(check_name(name), check_name(voice))
        except BadVoiceNameError as error:
            raise AliasFileError(f"{name!r}: {voice!r}: {error.reason}") from None
        aliases[name_key(alias.name)] = alias
    return MappingProxyType(aliases)
