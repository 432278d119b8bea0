"""Step ``pack``: what a GPU machine needs, in one file of bounded size.

Sound is compressed already, so the archive is a plain tar.  It holds the plan, the lexicon, the
vocabulary, the sound files, and the states of trainings that are under way.
"""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path

from training.workspace import Workspace

log = logging.getLogger(__name__)

# What cannot be spared first.
FOLDERS = ("weights", "curves", "state", "audio")
FILES = ("phonemes.txt.gz", "bpe.model", "texts.jsonl", "timing.jsonl")
BLOCK = 512


def pack(work: Workspace, archive: Path, megabytes: float) -> int:
    """Write the archive; returns its size in bytes.

    What is beyond the limit (in units of 2**20 bytes) is left out, with a warning: the last sound
    files first come into question, so both languages lose alike.

    Raises:
        FileNotFoundError: there is nothing to pack.
    """
    limit = int(megabytes * 2**20)
    left_out = 0
    if not work.lexicon.is_file():
        raise FileNotFoundError(f"{work.lexicon} is missing: run the step texts first")
    size = 0
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in _files(work):
            blocks = BLOCK + -(-path.stat().st_size // BLOCK) * BLOCK
            if size + blocks > limit - 20 * BLOCK:
                left_out += 1
                continue
            tar.add(path, arcname=path.relative_to(work.root).as_posix())
            size += blocks
    if left_out:
        log.warning("%d files did not fit into %.0f MiB and were left out", left_out, megabytes)
    log.info("%s: %.1f MiB", archive, archive.stat().st_size / 2**20)
    return archive.stat().st_size


def _files(work: Workspace) -> Iterator[Path]:
    for name in FILES:
        if (work.root / name).is_file():
            yield work.root / name
    yield from sorted(work.root.glob("speech*.jsonl"))
    for folder in FOLDERS:
        paths = (work.root / folder).glob("*")
        # The number in the name gives the order of the plan; the letters in front the language.
        yield from sorted(
            (path for path in paths if path.suffix != ".part"), key=lambda path: path.name[2:]
        )


def unpack(work: Workspace, archive: Path) -> None:
    """Put everything into the folder of a run; names that lead out of it are refused."""
    work.root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(work.root, filter="data")
