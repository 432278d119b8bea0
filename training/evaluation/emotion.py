"""Whether an emotion clip moves the speech its way: faster clips shorten, higher ones raise it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, Synthesis, SynthesisRequest
from indextts.utils.audio_file import read_audio
from training.data.voices import SEEN
from training.evaluation.floor import make_teacher, reference_clip
from training.evaluation.pitch import median_pitch
from training.evaluation.texts import sentences
from training.steps.texts import LANGUAGES
from training.workspace import Workspace, write_atomically

log = logging.getLogger(__name__)

T = TypeVar("T")

SEED = 1
VOICES_PER_LANGUAGE = 3
# Opposite manners, and the figure that tells them apart.
PAIRS = (("slow", "fast"), ("low", "high"))


def measure_emotion(work: Workspace, model: Path, voices: Path | None) -> dict[str, float]:
    """Speak with emotion clips of opposite manners, of the same voice; write ``emotion.json``.

    Returns:
        `slow_to_fast` (ratio of lengths, above 1 if it works), `high_to_low` (ratio of pitches,
        above 1 if it works), and the same of the clips themselves.
    """
    engine, teacher = IndexTTS2(model, device="cpu"), make_teacher(work, voices, 1)
    ratios: dict[str, list[float]] = {}
    texts = {text.language: text.text for text in sentences(1)}
    cases = [
        (language, voice)
        for language in LANGUAGES
        for voice in SEEN[language][:VOICES_PER_LANGUAGE]
    ]
    for language, voice in tqdm(cases, desc="emotion"):
        speaker = read_audio(reference_clip(work, teacher, language, voice))
        text = texts[language]
        clips = {
            manner: read_audio(reference_clip(work, teacher, language, voice, manner))
            for pair in PAIRS
            for manner in pair
        }
        made = {
            manner: engine.synthesize(SynthesisRequest(text, speaker, emotion=clip, seed=SEED))
            for manner, clip in clips.items()
        }
        for name, kind, measure in (
            ("slow_to_fast", ("slow", "fast"), _length),
            ("high_to_low", ("high", "low"), _pitch),
        ):
            _note(ratios, name, kind, measure, made)
        _note(ratios, "clips_slow_to_fast", ("slow", "fast"), lambda c: c.seconds, clips)
        _note(ratios, "clips_high_to_low", ("high", "low"), _clip_pitch, clips)
    found = {name: round(float(np.median(values)), 3) for name, values in ratios.items()}
    path = work.evaluation / "tests" / "emotion.json"
    write_atomically(path, (json.dumps(found, indent=1) + "\n").encode())
    log.info("%s", json.dumps(found))
    return found


def _note(
    ratios: dict[str, list[float]],
    name: str,
    kind: tuple[str, str],
    measure: Callable[[T], float],
    of: dict[str, T],
) -> None:
    above, below = measure(of[kind[0]]), measure(of[kind[1]])
    if above > 0 and below > 0:
        ratios.setdefault(name, []).append(above / below)


def _length(result: Synthesis) -> float:
    return result.audio_seconds


def _pitch(result: Synthesis) -> float:
    return median_pitch(result.waveform, result.sample_rate)


def _clip_pitch(clip: ReferenceAudio) -> float:
    return median_pitch(clip.mono(), clip.sample_rate)
