"""Step ``examples``: the clips in ``examples/voices``, spoken by the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from training.data.spoken import PEAK
from training.data.teacher import RATE, Teacher
from training.data.voices import MANNERS, Manner

PLAIN = MANNERS["plain"]


@dataclass(frozen=True)
class Clip:
    """A clip: who says what, and how."""

    name: str
    voice: str
    language: str
    text: str
    manner: Manner = PLAIN


_WALK = "I went for a long walk by the river this morning, and it was lovely."
_NEWS = "The library opens at nine, and you can keep a book for three weeks."
_TEA = "Put the kettle on and sit down; there is no hurry at all today."
_MOOD = "You will never guess what happened to me on the way home."

CLIPS = (
    Clip("en_female", "af_heart", "en", _WALK),
    Clip("en_male", "am_michael", "en", _NEWS),
    Clip("en_british", "bf_emma", "en", _TEA),
    Clip("zh_female", "zf_xiaoxiao", "zh", "今天早上我沿着河边散步，空气非常好。"),
    Clip("zh_male", "zm_yunxi", "zh", "图书馆九点开门，一本书可以借三个星期。"),
    Clip("zh_young", "zf_xiaobei", "zh", "先坐下来喝杯茶吧，今天一点也不着急。"),
    Clip("emotion_calm", "af_heart", "en", _MOOD, Manner(speed=0.75, pitch=0.94)),
    Clip("emotion_excited", "af_heart", "en", _MOOD, Manner(speed=1.3, pitch=1.12)),
)


def make_examples(teacher: Teacher, folder: Path) -> None:
    """Write all clips as FLAC, 24 kHz, 16 bits."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in CLIPS:
        sound = teacher.speak(clip.text, clip.language, clip.voice, clip.manner).sound
        sound = sound * (PEAK / max(PEAK, float(abs(sound).max())))
        sf.write(folder / f"{clip.name}.flac", sound, RATE, format="FLAC", subtype="PCM_16")
