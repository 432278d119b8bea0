"""The teacher's own test texts: what the scorer makes of speech that is as good as it gets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indextts.stages.text.phonemes import load_phoneme_reader
from indextts.utils.audio_file import write_wav
from training.data.teacher import RATE, Teacher
from training.data.voices import MANNERS, SEEN
from training.evaluation.texts import PAGE, EvaluationText
from training.workspace import Workspace, append_row

# Not among the test sentences; what a reference clip says.
CLIP_TEXT = {
    "en": "The quick answer is not always the right one, so take your time and think about it.",
    "zh": "快的回答不一定是对的，所以请你慢慢来，好好想一想再说。",
}

# What follows a closing mark, but for the last one.
SENTENCE_END = re.compile(r"(?<=[.?!。？！]) *(?=.)")


def make_teacher(work: Workspace, voices: Path | None, threads: int) -> Teacher:
    """Raises FileNotFoundError with what to do where something is missing."""
    reader = load_phoneme_reader(work.lexicon)
    if reader is None:
        raise FileNotFoundError(f"{work.lexicon} is missing: run the step texts first")
    if voices is None or not voices.is_dir():
        raise FileNotFoundError("give --voices FOLDER of *.bin (npm pack kokoro-js@1.2.1)")
    return Teacher(voices, work.root / "teacher", reader, threads)


def reference_clip(
    work: Workspace, teacher: Teacher | None, language: str, voice: str, manner: str = "plain"
) -> Path:
    """A clip of a voice, made once."""
    path = work.evaluation / "clips" / f"{voice}.{manner}.wav"
    if not path.is_file():
        if teacher is None:
            raise FileNotFoundError(f"{path} is missing: give --voices FOLDER to make it")
        write_wav(path, _speak(teacher, CLIP_TEXT[language], language, voice, manner), RATE)
    return path


def _speak(
    teacher: Teacher, text: str, language: str, voice: str, manner: str = "plain"
) -> NDArray[np.float32]:
    return teacher.speak(text, language, voice, MANNERS[manner]).sound


def voice_of(language: str, number: int, voices: Mapping[str, tuple[str, ...]]) -> str:
    """Voices of a language in turn."""
    return voices[language][number % len(voices[language])]


def speak_floor(
    work: Workspace, voices: Path | None, texts: Sequence[EvaluationText], folder: str, threads: int
) -> Path:
    """Speak test texts into a folder of the evaluation; returns the list for the scorer.

    A page is too long for the teacher and is spoken sentence by sentence.
    """
    teacher = make_teacher(work, voices, threads)
    listing = work.evaluation / folder / "list.jsonl"
    listing.unlink(missing_ok=True)
    for text in texts:
        voice = voice_of(text.language, text.number, SEEN)
        clip = reference_clip(work, teacher, text.language, voice)
        parts = SENTENCE_END.split(text.text) if text.kind == PAGE else [text.text]
        sounds = [_speak(teacher, part, text.language, voice) for part in parts]
        write_wav(listing.parent / f"{text.name}.wav", np.concatenate(sounds), RATE)
        append_row(listing, listed(text, clip))
    return listing


def listed(text: EvaluationText, clip: Path) -> dict[str, str]:
    """The row of the scorer's list for a text and the clip of its voice."""
    return {
        "audio": f"{text.name}.wav",
        "text": text.text,
        "language": text.language,
        "kind": text.kind,
        "speaker": str(clip.resolve()),
    }
