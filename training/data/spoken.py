"""What has been spoken: the lists and the sound files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from training.data.teacher import RATE
from training.workspace import Utterance, Workspace, read_utterances

# What the names of relatives (step ``relatives``) and of their utterances end with.
RELATIVE = "-relative"
# Of libsndfile, 0 (large) to 1; measured on mono speech: 0.8 gives 60 kbit/s, 0.88 gives 39.
COMPRESSION = 0.88
PEAK = 0.7


def write_ogg(path: Path, sound: NDArray[np.float32]) -> None:
    """Opus in an Ogg file; the level is brought to PEAK where it is above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    peak = float(np.abs(sound).max(initial=0.0))
    if peak > PEAK:
        sound = sound * np.float32(PEAK / peak)
    sf.write(path, sound, RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION)


def spoken_list(work: Workspace, part: int) -> Path:
    """The list of one part."""
    return work.speech if part == 1 else work.speech.with_suffix(f".{part}.jsonl")


def relatives_list(work: Workspace) -> Path:
    """The list of the step ``relatives``."""
    return work.speech.with_suffix(".relatives.jsonl")


def is_relative(row: Utterance) -> bool:
    """Whether it is another utterance, played faster or slower."""
    return row.voice.endswith(RELATIVE)


def spoken(work: Workspace) -> list[Utterance]:
    """Utterances of all parts, relatives too, whose sound is there, in the order of their names."""
    lists = sorted(work.root.glob("speech*.jsonl"))
    rows = {row.name: row for path in lists for row in read_utterances(path)}
    return [rows[name] for name in sorted(rows) if work.audio(name).is_file()]
