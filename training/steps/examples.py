"""Step ``examples``: the clips in ``examples/voices``, spoken by the teacher.

Beside each clip lies what a service that stores it wants to know.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from training.data.spoken import PEAK
from training.data.teacher import RATE, Teacher
from training.data.voices import MANNERS, Manner

PLAIN = MANNERS["plain"]
CONSENT = "Made with Kokoro-82M (Apache-2.0): no living person's voice. MIT, like this project."


@dataclass(frozen=True)
class Clip:
    """A clip: who says what, and how; `description` is for people who choose a voice."""

    name: str
    voice: str
    language: str
    description: str
    text: str
    manner: Manner = PLAIN
    purpose: str = ""

    def sidecar(self, sound: bytes) -> bytes:
        """The file beside the clip whose bytes are `sound`."""
        told = {
            "name": self.name,
            "language": self.language,
            "description": self.description,
            "purpose": self.purpose,
            "consent": CONSENT,
            "sha256": hashlib.sha256(sound).hexdigest(),
        }
        return (json.dumps(told, ensure_ascii=False, indent=2) + "\n").encode()


_WALK = "I went for a long walk by the river this morning, and it was lovely."
_NEWS = "The library opens at nine, and you can keep a book for three weeks."
_TEA = "Put the kettle on and sit down; there is no hurry at all today."
_MOOD = "You will never guess what happened to me on the way home."
_CALM = "The voice of en_female, slow and low"
_EXCITED = "The voice of en_female, fast and high"

CLIPS = (
    Clip("en_female", "af_heart", "en", "A woman, American English, warm", _WALK),
    Clip("en_male", "am_michael", "en", "A man, American English, calm", _NEWS),
    Clip("en_british", "bf_emma", "en", "A woman, British English", _TEA),
    Clip(
        "zh_female",
        "zf_xiaoxiao",
        "zh",
        "A woman, Mandarin",
        "今天早上我沿着河边散步，空气非常好。",
    ),
    Clip("zh_male", "zm_yunxi", "zh", "A man, Mandarin", "图书馆九点开门，一本书可以借三个星期。"),
    Clip(
        "zh_young",
        "zf_xiaobei",
        "zh",
        "A young woman, Mandarin",
        "先坐下来喝杯茶吧，今天一点也不着急。",
    ),
    Clip("emotion_calm", "af_heart", "en", _CALM, _MOOD, Manner(0.75, 0.94), "emotion"),
    Clip("emotion_excited", "af_heart", "en", _EXCITED, _MOOD, Manner(1.3, 1.12), "emotion"),
)


def make_examples(teacher: Teacher, folder: Path) -> None:
    """Write all clips as FLAC, 24 kHz, 16 bits, and their sidecars."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in CLIPS:
        sound = teacher.speak(clip.text, clip.language, clip.voice, clip.manner).sound
        sound = sound * (PEAK / max(PEAK, float(abs(sound).max())))
        path = folder / f"{clip.name}.flac"
        sf.write(path, sound, RATE, format="FLAC", subtype="PCM_16")
        path.with_suffix(".json").write_bytes(clip.sidecar(path.read_bytes()))
