"""A voice, and the small file beside its clip that says whose it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

SIDECAR_SUFFIX = ".json"
MAX_SIDECAR_BYTES = 16 * 1024


class SidecarError(ValueError):
    """A sidecar cannot be read; the message says why."""


@dataclass(frozen=True)
class Sidecar:
    """What is known of a clip; empty texts where nothing is.

    Attributes:
        name: of the voice when this was written; the file's name is what counts.
        language: a tag such as "en" or "zh-CN".
        description: for people who choose a voice.
        purpose: "emotion" for a clip that is meant for its emotion rather than its voice.
        consent: a note on the speaker's consent, shown to every caller.
        sha256: of the clip that this was written for, in hexadecimal digits.
    """

    name: str = ""
    language: str = ""
    description: str = ""
    purpose: str = ""
    consent: str = ""
    sha256: str = ""

    def to_json(self) -> bytes:
        """The file."""
        return (json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Sidecar:
        """Read the file; what it holds beside these fields is passed over.

        Raises:
            SidecarError: too large, no JSON object, or a field that is no text.
        """
        if len(data) > MAX_SIDECAR_BYTES:
            raise SidecarError(f"it is larger than {MAX_SIDECAR_BYTES} bytes")
        try:
            # Editors on Windows put a byte order mark in front.
            found: Any = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise SidecarError(f"it is no JSON ({error})") from None
        if not isinstance(found, dict):
            raise SidecarError("it is no JSON object")
        given = {field.name: found.get(field.name, "") for field in fields(cls)}
        for name, value in given.items():
            if not isinstance(value, str):
                raise SidecarError(f"its {name} is no text")
        return cls(**given)


@dataclass(frozen=True)
class Voice:
    """A stored voice.

    Attributes:
        name: that requests use.
        path: of the clip.
        sidecar: what is known of it.
    """

    name: str
    path: Path
    sidecar: Sidecar
