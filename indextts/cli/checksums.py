"""``SHA256SUMS`` of a model directory: what the files were when they were fetched.

The format is that of the ``sha256sum`` tool, so ``sha256sum -c SHA256SUMS`` understands it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def checksum_file(model_dir: Path) -> Path:
    return model_dir / "SHA256SUMS"


def read_checksums(model_dir: Path) -> dict[str, str]:
    """Path below the directory -> SHA-256 in lower-case hex; empty where there is no list."""
    path = checksum_file(model_dir)
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    matches = (_LINE.fullmatch(line.strip()) for line in lines)
    return {match[2].removeprefix("./"): match[1] for match in matches if match}


def add_checksum(model_dir: Path, target: Path, sha256: str) -> None:
    """Note one file's hash, replacing the older entry."""
    sums: Mapping[str, str] = read_checksums(model_dir) | {
        target.relative_to(model_dir).as_posix(): sha256
    }
    path = checksum_file(model_dir)
    # The number of the process keeps two downloads of different parts apart.
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(
        "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())), encoding="utf-8"
    )
    fresh.replace(path)
