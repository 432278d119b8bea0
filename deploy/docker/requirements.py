#!/usr/bin/env python3
"""Write the dependencies of ``pyproject.toml``, one a line, for a layer of their own in the image.

requirements.py pyproject.toml [EXTRA,EXTRA ...]
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path


def requirements(text: str, extras: Sequence[str]) -> list[str]:
    """What the project needs, and what the extras need on top.

    Args:
        text: of ``pyproject.toml``.
        extras: names of optional dependencies.

    Raises:
        KeyError: there is no such extra.
    """
    project = tomllib.loads(text)["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in extras for line in optional[extra])]


def main(arguments: Sequence[str]) -> int:
    """The command."""
    path, *names = arguments
    extras = [extra for name in names for extra in name.split(",") if extra]
    sys.stdout.write("\n".join(requirements(Path(path).read_text(encoding="utf-8"), extras)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
