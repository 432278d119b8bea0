"""Step ``timing``: when and how high the teacher would say the sentences that it has not spoken.

The GPT learns texts and codes, and the codes are read off the teacher's durations and pitch.  Those
come from the first, small part of its graph: a sentence without sound costs a twentieth of one
with it, so the GPT can have as many as it wants.
"""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from training.data.spoken import spoken
from training.data.teacher import Teacher
from training.data.voices import MANNERS
from training.steps.speech import load_plan, timed
from training.workspace import Workspace, append_row, read_utterances


def make_timing(work: Workspace, voices: Path, threads: int) -> int:
    """Time all training sentences of the plan that have no sound; returns how many there are."""
    reader, plan = load_plan(work)
    known = {row.name for row in (*spoken(work), *read_utterances(work.timing))}
    rows = [row for row in plan if row.split == "train" and row.name not in known]
    teacher = Teacher(voices, work.root / "teacher", reader, threads, silent=True)
    for row in tqdm(rows, desc="timing"):
        done = timed(row, teacher.time(row.text, row.language, row.voice, MANNERS[row.manner]))
        if done is not None:
            append_row(work.timing, vars(done))
    return len(read_utterances(work.timing))
