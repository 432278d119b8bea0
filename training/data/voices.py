"""The teacher's voices, and the manners in which they speak."""

from __future__ import annotations

from dataclasses import dataclass

# Few voices, so that there is enough speech of each: a handful of minutes.
ENGLISH = ("af_heart", "am_michael", "bf_emma", "am_fenrir", "af_bella", "bm_george")
MANDARIN = ("zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao", "zm_yunjian", "zm_yunxi", "zm_yunyang")
# Never trained on.
UNSEEN: dict[str, tuple[str, ...]] = {
    "en": ("af_aoede", "am_echo", "bf_isabella", "bm_lewis"),
    "zh": ("zf_xiaoyi", "zm_yunxia"),
}
SEEN: dict[str, tuple[str, ...]] = {"en": ENGLISH, "zh": MANDARIN}


@dataclass(frozen=True)
class Manner:
    """How a sentence is spoken.

    Level is not among them: the speech features are normalised over the clip, so no part of the
    model could hear it.

    Attributes:
        speed: the teacher's own speed.
        pitch: factor on the melody; the voice stays what it is.
    """

    speed: float = 1.0
    pitch: float = 1.0


MANNERS = {
    "plain": Manner(),
    "fast": Manner(speed=1.35),
    "slow": Manner(speed=0.75),
    "high": Manner(pitch=1.2),
    "low": Manner(pitch=0.84),
}
# Half of all sentences are plain.
MANNER_WEIGHTS = {"plain": 4, "fast": 1, "slow": 1, "high": 1, "low": 1}
