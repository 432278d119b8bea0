"""How far the model's mel is from the teacher's, without a recognizer: four sentences, ten seconds.

The clips of ``examples/voices`` and the texts are fixed, and so is what the teacher made of them
(``teacher_mels.npz``).  The distance is that of dynamic time warping (Sakoe and Chiba 1978): about
0.6 where the text is heard, above 0.9 where another one is spoken.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indextts.config import PreprocessConfig
from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, SynthesisRequest
from indextts.utils.audio_file import read_audio
from training.data.features import mel_of_sound
from training.data.teacher import RATE, Teacher
from training.data.voices import MANNERS
from training.steps.examples import CLIPS

log = logging.getLogger(__name__)

Mel = NDArray[np.float32]

MELS = Path(__file__).with_name("teacher_mels.npz")
VOICES = Path("examples/voices")
# Name of the clip -> text; no training, development or test text.
TEXTS = {
    "en_female": "The children were playing in the garden when the rain began.",
    "en_male": "Please bring the green chairs into the kitchen before dinner.",
    "zh_female": "明天早上我们一起去公园散步吧。",
    "zh_male": "他把新买的自行车放在门口了。",
}
SEEDS = (1, 2, 3)
# Nepers below which everything is silence, and how finely the file keeps what is above.
FLOOR, LEVELS_A_NEPER = -8.0, 20.0


def measure_quickly(model: Path, clips: Path = VOICES) -> dict[str, float]:
    """Speak the sentences; the mean distance of each from the teacher's, by the clip's name."""
    wanted = load_mels()
    found = {
        name: round(float(np.mean([distance(mel, wanted[name]) for mel in mels])), 3)
        for name, mels in spoken_mels(IndexTTS2(model, device="cpu"), clips).items()
    }
    log.info("%s", json.dumps(found))
    return found


def spoken_mels(engine: IndexTTS2, clips: Path = VOICES) -> dict[str, list[Mel]]:
    """What the engine makes of each sentence in the voice of its clip, once a seed."""
    config, found = engine.networks.config.s2mel.preprocess_params, {}
    for name, text in TEXTS.items():
        clip = read_audio(clips / f"{name}.flac")
        spoken = (engine.synthesize(SynthesisRequest(text, clip, seed=seed)) for seed in SEEDS)
        found[name] = [
            mel_of(ReferenceAudio(made.waveform, made.sample_rate), config) for made in spoken
        ]
    return found


def make_mels(teacher: Teacher, config: PreprocessConfig, path: Path = MELS) -> None:
    """Have the teacher speak the sentences in the voices of the clips, and keep the mels."""
    voices = {clip.name: (clip.voice, clip.language) for clip in CLIPS}
    mels = {}
    for name, text in TEXTS.items():
        voice, language = voices[name]
        sound = teacher.speak(text, language, voice, MANNERS["plain"]).sound
        mels[name] = mel_of(ReferenceAudio(sound, RATE), config)
    save_mels(mels, path)


def mel_of(sound: ReferenceAudio, config: PreprocessConfig) -> Mel:
    """Log mel of a sound, float32 [bands, frames], nothing below FLOOR."""
    mel: Mel = mel_of_sound(sound, config).numpy()
    return np.maximum(mel, np.float32(FLOOR))


def save_mels(mels: Mapping[str, Mel], path: Path) -> None:
    """As one byte a value."""
    levels = {
        name: np.clip(np.rint((mel - FLOOR) * LEVELS_A_NEPER), 0, 255).astype(np.uint8)
        for name, mel in mels.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **levels)


def load_mels(path: Path = MELS) -> dict[str, Mel]:
    """What :func:`save_mels` has left."""
    with np.load(path, allow_pickle=False) as file:
        return {
            name: (file[name] / LEVELS_A_NEPER + FLOOR).astype(np.float32) for name in file.files
        }


def distance(made: Mel, real: Mel) -> float:
    """Mean absolute difference of two mels [bands, n] and [bands, m] along the path that makes it
    least, in nepers; a step of both counts twice, so that all paths have a length of n + m.
    """
    apart = np.abs(made.T[:, None, :] - real.T[None, :, :]).mean(axis=-1)
    sums = np.full((len(apart) + 1, apart.shape[1] + 1), np.inf)
    sums[0, 0] = 0.0
    for i, row in enumerate(apart):
        above, own = sums[i], sums[i + 1]
        for j, here in enumerate(row):
            own[j + 1] = min(above[j] + 2 * here, above[j + 1] + here, own[j] + here)
    return float(sums[-1, -1] / sum(apart.shape))
