"""Step ``relatives``: other voices out of the teacher's, by playing them faster or slower.

Played faster, speech is quicker and higher and comes from a smaller throat.  That is another voice,
of which everything is known, for a hundredth of the price of speaking again.  Only the acoustic
model learns from it: to the others it would be a manner of speaking that is called plain.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from indextts.utils.audio_file import read_audio
from training.data.spoken import RELATIVE, is_relative, relatives_list, spoken, write_ogg
from training.data.teacher import RATE
from training.unit_space import CODE_RATE
from training.workspace import Utterance, Workspace, append_row

# Two and a half semitones: what is further off is a voice that nobody has.
FACTORS = (0.86, 1.16)


def make_relatives(work: Workspace) -> int:
    """Play the training utterances, each voice at one of the speeds; returns how many are new."""
    rows = [row for row in spoken(work) if row.split == "train"]
    known = {row.name for row in rows if is_relative(row)}
    own = [row for row in rows if not is_relative(row)]
    voices = sorted({row.voice for row in own})
    count = 0
    for row in tqdm(own, desc="relatives"):
        factor = FACTORS[voices.index(row.voice) % len(FACTORS)]
        played = faster(row, factor)
        if played.name in known:
            continue
        write_ogg(
            work.audio(played.name), resampled(read_audio(work.audio(row.name)).mono(), factor)
        )
        append_row(relatives_list(work), vars(played))
        count += 1
    return count


def faster(row: Utterance, factor: float) -> Utterance:
    """The row of the sound that is played `factor` times as fast."""
    # The frames of the old sound that lie under the middles of the new one's.
    places = [int((k + 0.5) * factor) for k in range(int(row.seconds / factor * CODE_RATE))]
    return replace(
        row,
        name=row.name + RELATIVE,
        voice=row.voice + RELATIVE,
        seconds=row.seconds / factor,
        start=row.start / factor,
        ends=tuple(end / factor for end in row.ends),
        pitch=tuple(round(row.pitch[i] * factor) for i in places if i < len(row.pitch)),
    )


def resampled(sound: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Sound [n] of the teacher's rate, `factor` times as fast: [n / factor]."""
    made: NDArray[np.float32] = soxr.resample(sound, RATE * factor, RATE)
    return made
