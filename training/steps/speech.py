"""Step ``speech``: the teacher speaks the plan into small sound files.

Several processes share the work by ``--part 1/4`` and so on: each writes its own list, and each
goes on where it stopped.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from indextts.stages.text.phonemes import PhonemeReader, load_phoneme_reader
from training.data.spoken import spoken_list, write_ogg
from training.data.teacher import Teacher, Timing
from training.data.voices import MANNERS
from training.workspace import Utterance, Workspace, append_row, read_utterances

log = logging.getLogger(__name__)

# Single words to sentences of thirty.
MIN_SECONDS, MAX_SECONDS = 0.25, 14.0


def make_speech(
    work: Workspace, voices: Path, hours: float, part: tuple[int, int], threads: int
) -> float:
    """Speak until there are `hours` of sound in all parts together; returns this part's seconds."""
    reader, plan = load_plan(work)
    index, parts = part
    path = spoken_list(work, index)
    done = read_utterances(path)
    known = {row.name for row in done}
    seconds = sum(row.seconds for row in done)
    wanted = hours * 3600 / parts
    teacher = Teacher(voices, work.root / "teacher", reader, threads)
    rows = [row for row in share(plan, index, parts) if row.name not in known]
    with tqdm(total=round(wanted), initial=round(seconds), unit="s", desc="speech") as bar:
        for row in rows:
            if seconds >= wanted:
                break
            seconds += _speak(work, teacher, row, path)
            bar.update(round(seconds) - bar.n)
    if seconds < wanted:
        log.warning("the plan is used up after %.2f h: make more texts", seconds / 3600)
    return seconds


def load_plan(work: Workspace) -> tuple[PhonemeReader, list[Utterance]]:
    """The lexicon's reader, and who says what.

    Raises:
        FileNotFoundError: the step texts has not been run.
    """
    reader = load_phoneme_reader(work.lexicon)
    plan = read_utterances(work.texts)
    if reader is None or not plan:
        raise FileNotFoundError(f"{work.texts} is missing: run the step texts first")
    return reader, plan


def share(plan: Sequence[Utterance], index: int, parts: int) -> list[Utterance]:
    """The sentences of one part: of each language every `parts`-th, so that a part that is stopped
    early leaves no language behind.
    """
    counts: Counter[str] = Counter()
    own = []
    for row in plan:
        if counts[row.language] % parts == index - 1:
            own.append(row)
        counts[row.language] += 1
    return own


def _speak(work: Workspace, teacher: Teacher, row: Utterance, path: Path) -> float:
    spoken = teacher.speak(row.text, row.language, row.voice, MANNERS[row.manner])
    done = timed(row, spoken.timing)
    if done is None:
        return 0.0
    write_ogg(work.audio(row.name), spoken.sound)
    append_row(path, vars(done))
    return done.seconds


def timed(row: Utterance, timing: Timing) -> Utterance | None:
    """The row with its timing; None where it is too short or too long to learn from.

    Raises:
        ValueError: teacher and lexicon do not agree on the symbols.
    """
    if len(timing.ends) != len(row.phonemes.split()):
        raise ValueError(f"{row.name}: {len(timing.ends)} ends, phonemes {row.phonemes}")
    if not MIN_SECONDS <= timing.seconds <= MAX_SECONDS:
        return None
    return replace(row, **vars(timing))
