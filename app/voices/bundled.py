"""The first filling of the folder: a newcomer finds voices there without setting anything up."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from app.voices.aliases import ALIASES
from app.voices.errors import VoicesBusyError
from app.voices.writing import locked, write_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A folder of voices that can be read.

    Attributes:
        folder: of the voices.
        in_place: they are the program's own files, which nothing may change.
    """

    folder: Path
    in_place: bool


def prepare(folder: Path, bundled: Path) -> Prepared:
    """Make the folder of voices, and fill it with the bundled ones if nothing else is there.

    Workers and instances may do this at the same moment.  Where the folder cannot be written to
    and is empty, the bundled voices are served where they are.

    Args:
        folder: of the voices, which may be missing.
        bundled: with the clips that come with the program; may be missing, too.
    """
    if not bundled.is_dir() or not _wants_filling(folder, bundled):
        return Prepared(folder, in_place=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            # Others may have been here in between, with clips of their own.
            if _wants_filling(folder, bundled):
                _fill(folder, bundled)
    except (OSError, VoicesBusyError) as error:
        log.info("The voices are served from %s: %s cannot be filled: %s", bundled, folder, error)
        return Prepared(bundled, in_place=True)
    return Prepared(folder, in_place=False)


def _wants_filling(folder: Path, bundled: Path) -> bool:
    """Whether nothing is there but, perhaps, the first part of a filling that was cut off."""
    try:
        # Folders are none of ours: that of a fresh disk is called lost+found.
        there = {
            path.name for path in folder.iterdir() if path.name[0] != "." and not path.is_dir()
        }
    except FileNotFoundError:
        return True
    except OSError:
        return False  # the store says what is wrong with it
    return ALIASES not in there and there <= {path.name for path in bundled.iterdir()}


def _fill(folder: Path, bundled: Path) -> None:
    """Copy what is missing; the aliases come last and say that it was done."""
    files = [path for path in bundled.iterdir() if path.is_file() and path.name[0] != "."]
    for path in sorted(files, key=lambda path: (path.name == ALIASES, path.name)):
        if not (folder / path.name).exists():
            write_file(folder / path.name, path.read_bytes())
    log.info("The folder of voices %s was filled with the bundled ones.", folder)
