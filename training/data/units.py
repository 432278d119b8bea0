"""Speech units: what the codes of the small model mean.

A code is a sound (phoneme without tone or stress, or a pause), the third of the sound that a frame
lies in, and the melody, in semitones from the voice's usual pitch.  Where the teacher
says which sound is spoken when, and how high, the codes of its speech are simply read off; the
codec is taught to hear the same in any speech (a supervised tokenizer, after Du et al. 2024).  So a
code has one meaning, the GPT has one right answer for the content, and the acoustic model is told
the melody, without which harmonics can only be guessed.

The codebook is the product of the three parts: an entry is three one-hot vectors behind each other.
The nearest entry to a direction is then the best sound, the best third and the best step, each for
itself.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.alignment import frame_middles, is_aligned, symbol_places
from training.data.features import Item
from training.unit_space import REACH, STEP_SEMITONES, STEPS, THIRDS, codebook_size

# Codes with the faults of drawn ones: the share of frames in which the clock changes to a frame
# early, on time or a frame late, and of those whose melody is a step off.
CLOCK_CHANGES, MELODY_SLIPS = 0.3, 0.25
PAUSE = "pause"
PAUSES = frozenset(",.?")


@dataclass(frozen=True, eq=False)
class Units:
    """The meaning of codes for one vocabulary.

    Attributes:
        sounds: names; the first is the pause.
        sound_of: int64 [V], the sound of each id of the vocabulary, 0 where there is none.
        room: sounds that there is room for in the codebook.
    """

    sounds: tuple[str, ...]
    sound_of: Tensor
    room: int

    def codes(self, item: Item, usual_pitch: float) -> Tensor:
        """The codes of an aligned utterance, int64 [T].

        Args:
            item: its row has `ends`; without `pitch` it is taken for whispered.
            usual_pitch: of the voice, in Hz.
        """
        frames = len(item.speech)
        places = symbol_places(item, frames)
        sounds = self.sound_of[item.ids][places]
        middles = frame_middles(frames)
        begins = F.pad(item.ends[:-1], (1, 0), value=item.row.start)[places]
        lengths = (item.ends[places] - begins).clamp(min=1e-3)
        thirds = ((middles - begins) / lengths * THIRDS).long().clamp(0, THIRDS - 1)
        # Silence in front and behind: also a text without a closing mark ends in a pause.
        inside = (middles >= item.row.start) & (middles < item.ends[-1])
        sounds = torch.where(inside, sounds, 0)
        steps = torch.where(sounds > 0, melody(item.row.pitch, frames, usual_pitch), 0)
        return self.join(sounds, thirds, steps)

    def join(self, sounds: Tensor, thirds: Tensor, steps: Tensor) -> Tensor:
        """Codes from their three parts."""
        return (sounds * THIRDS + thirds) * STEPS + steps

    def parts(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sound, third and step of codes."""
        return codes // (THIRDS * STEPS), codes // STEPS % THIRDS, codes % STEPS

    def transposed(self, codes: Tensor, steps: int) -> Tensor:
        """The same with a melody that is so many steps higher; what has no voice gets none."""
        sounds, thirds, own = self.parts(codes)
        return self.join(sounds, thirds, torch.where(own > 0, (own + steps).clamp(1, STEPS - 1), 0))

    def uneven(self, codes: Tensor) -> Tensor:
        """The same speech with the faults of codes that a GPT has drawn, which come a little early
        or late and have a melody that shakes; by torch's default generator.

        Args:
            codes: int64 [T].
        """
        count = len(codes)
        changes = torch.rand(count) < CLOCK_CHANGES
        # The last change before each frame; the first frame counts as one.
        since = (torch.arange(count) * changes).cummax(0).values
        late = torch.randint(-1, 2, (count,))[since]
        places = (torch.arange(count) + late).cummax(0).values.clamp(0, count - 1)
        sounds, thirds, steps = self.parts(codes[places])
        slips = torch.randint(0, 2, (count,)) * 2 - 1
        slips *= torch.rand(count) < MELODY_SLIPS
        moved = (steps + slips).clamp(1, STEPS - 1)
        return self.join(sounds, thirds, torch.where(steps > 0, moved, 0))

    @property
    def widths(self) -> tuple[int, int, int]:
        """Of the three parts of an entry."""
        return self.room, THIRDS, STEPS

    def entries(self) -> Tensor:
        """The codebook, float32 [room * THIRDS * STEPS, sum of widths]."""
        codes = torch.arange(codebook_size(self.room))
        hot = [F.one_hot(p, w) for p, w in zip(self.parts(codes), self.widths, strict=True)]
        return torch.cat(hot, dim=-1).float()


def make_units(names: Sequence[str], room: int) -> Units:
    """The units of a vocabulary.

    Args:
        names: the symbol of each id; empty where it is none.
        room: sounds that the codebook has room for.

    Raises:
        ValueError: there are more sounds than there is room for.
    """
    found = [sound_name(name) if name else PAUSE for name in names]
    sounds = (PAUSE, *sorted(set(found) - {PAUSE}))
    if len(sounds) > room:
        raise ValueError(
            f"{len(sounds)} sounds, room for {room}: raise `sounds` in training/config.py"
        )
    return Units(sounds, torch.tensor([sounds.index(name) for name in found]), room)


def sound_name(symbol: str) -> str:
    """A symbol of the lexicon without tone or stress."""
    if symbol in PAUSES:
        return PAUSE
    return symbol.rstrip("0123456789")


def melody(pitch: Sequence[int], frames: int, usual_pitch: float) -> Tensor:
    """Steps of melody, int64 [frames], from Hz in each frame; 0 where there is no voice."""
    hertz = torch.zeros(frames)
    known = torch.tensor(pitch[:frames], dtype=torch.float32)
    hertz[: len(known)] = known
    semitones = 12 * torch.log2(hertz.clamp(min=1.0) / usual_pitch)
    steps = (semitones / STEP_SEMITONES).round().long().clamp(-REACH, REACH) + REACH + 1
    return torch.where(hertz > 0, steps, 0)


def usual_pitches(items: Sequence[Item]) -> dict[str, float]:
    """Median pitch of each voice in Hz, over what it says plainly (all, if nothing is plain)."""
    plain: dict[str, list[int]] = defaultdict(list)
    every: dict[str, list[int]] = defaultdict(list)
    for item in items:
        voiced = [hz for hz in item.row.pitch if hz]
        every[item.row.voice] += voiced
        if item.row.manner == "plain":
            plain[item.row.voice] += voiced
    return {
        voice: float(statistics.median(plain[voice] or heard))
        for voice, heard in every.items()
        if heard
    }


def unit_codes(
    items: Sequence[Item], units: Units, usual: Mapping[str, float]
) -> dict[str, Tensor]:
    """Codes of all aligned utterances, int64 [T] each, by name.

    Args:
        usual: pitch of each voice, from :func:`usual_pitches`.
    """
    return {
        item.name: units.codes(item, usual.get(item.row.voice, 1.0))
        for item in items
        if is_aligned(item)
    }
