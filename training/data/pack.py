"""Step ``pack``: what a GPU machine needs, in one file of bounded size.

Sound is compressed already, so the archive is a plain tar.  It holds the plan, the lexicon, the
vocabulary, the sound files, and the weights and states of trainings that are under way: these
alone exceed a small limit, and a run that begins with an exported model can do without them.
"""

from __future__ import annotations

import logging
import tarfile
from pathlib import Path

from training.data.spoken import RELATIVE
from training.workspace import Workspace

log = logging.getLogger(__name__)

FILES = ("phonemes.txt.gz", "bpe.model", "texts.jsonl", "timing.jsonl")
LEARNT = ("weights", "state")
BLOCK = 512


def pack(work: Workspace, archive: Path, megabytes: float, *, from_model: bool = False) -> int:
    """Write the archive; returns its size in bytes.

    Sound files that are beyond the limit are left out, with a warning: the last of the plan first,
    so both languages lose alike.

    Args:
        work: the run.
        archive: where to.
        megabytes: limit, in units of 2**20 bytes.
        from_model: leave out weights and states; the step ``import`` brings them there.

    Raises:
        FileNotFoundError: there is nothing to pack.
        ValueError: what cannot be left out is beyond the limit.
    """
    if not work.lexicon.is_file():
        raise FileNotFoundError(f"{work.lexicon} is missing: run the step texts first")
    room = int(megabytes * 2**20) - 20 * BLOCK  # a tar ends with a record of zeros
    needed = _needed(work, from_model)
    room -= sum(map(_blocks, needed))
    if room < 0:
        raise ValueError(
            f"{archive} would be {-room / 2**20:.1f} MiB too large without any sound; give more "
            "--megabytes, or leave the weights to the exported model with --from-model"
        )
    # Relatives are made again there.
    sounds = [p for p in _in_order(work.root / "audio") if not p.stem.endswith(RELATIVE)]
    taken: list[Path] = []
    for path in sounds:
        if _blocks(path) <= room:
            taken.append(path)
            room -= _blocks(path)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in (*needed, *taken):
            tar.add(path, arcname=path.relative_to(work.root).as_posix())
    if len(taken) < len(sounds):
        log.warning(
            "%d of %d sound files did not fit into %.0f MiB and were left out",
            len(sounds) - len(taken),
            len(sounds),
            megabytes,
        )
    log.info("%s: %.1f MiB", archive, archive.stat().st_size / 2**20)
    return archive.stat().st_size


def _needed(work: Workspace, from_model: bool) -> list[Path]:
    """What a run cannot go on without."""
    files = [work.root / name for name in FILES if (work.root / name).is_file()]
    files += sorted(work.root.glob("speech*.jsonl"))
    for folder in ("curves",) if from_model else ("curves", *LEARNT):
        files += _in_order(work.root / folder)
    return files


def _in_order(folder: Path) -> list[Path]:
    """Files of a folder; the number in a sound's name is its place in the plan, the letters in
    front of it are its language."""
    paths = (path for path in folder.glob("*") if path.suffix != ".part")
    return sorted(paths, key=lambda path: path.name[2:])


def _blocks(path: Path) -> int:
    """Bytes of a file in a tar."""
    return BLOCK + -(-path.stat().st_size // BLOCK) * BLOCK


def unpack(work: Workspace, archive: Path) -> None:
    """Put everything into the folder of a run; names that lead out of it are refused."""
    work.root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        tar.extractall(work.root, filter="data")
