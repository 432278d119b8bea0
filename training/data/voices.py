"""The teacher's voices, and the manners in which they speak."""

from __future__ import annotations

from dataclasses import dataclass

ENGLISH = (
    "af_bella", "af_heart", "af_nicole", "af_sarah", "af_sky", "af_nova", "af_alloy", "af_kore",
    "am_adam", "am_michael", "am_fenrir", "am_puck", "am_liam", "am_onyx", "am_eric", "bf_emma",
    "bm_george", "bm_fable",
)  # fmt: skip
MANDARIN = ("zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao", "zm_yunjian", "zm_yunxi", "zm_yunyang")
# Never trained on.
UNSEEN = {
    "en": ("af_aoede", "am_echo", "bf_isabella", "bm_lewis"),
    "zh": ("zf_xiaoyi", "zm_yunxia"),
}
# Twelve seen voices, in turn, speak the test sentences.
TESTED = {
    "en": ("af_heart", "am_michael", "bf_emma", "am_fenrir", "af_bella", "bm_george"),
    "zh": MANDARIN,
}
SEEN = {"en": ENGLISH, "zh": MANDARIN}


@dataclass(frozen=True)
class Manner:
    """How a sentence is spoken.

    Level is not among them: the speech features are normalised over the clip, so no part of the
    model could hear it.

    Attributes:
        speed: the teacher's own speed.
        pitch: factor on all frequencies, made by resampling; the speed is corrected for it.
    """

    speed: float = 1.0
    pitch: float = 1.0


MANNERS = {
    "plain": Manner(),
    "fast": Manner(speed=1.35),
    "slow": Manner(speed=0.75),
    "high": Manner(pitch=1.14),
    "low": Manner(pitch=0.88),
}
# Half of all sentences are plain.
MANNER_WEIGHTS = {"plain": 4, "fast": 1, "slow": 1, "high": 1, "low": 1}
