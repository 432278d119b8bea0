"""The teacher's own test sentences: what the scorer makes of speech that is as good as it gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indextts.stages.text.phonemes import load_phoneme_reader
from indextts.utils.audio_file import write_wav
from training.data.teacher import RATE, Teacher
from training.data.voices import MANNERS, SEEN
from training.steps.texts import LANGUAGES, test_sentences
from training.workspace import Workspace, append_row

# Not among the test sentences; what a reference clip says.
CLIP_TEXT = {
    "en": "The quick answer is not always the right one, so take your time and think about it.",
    "zh": "快的回答不一定是对的，所以请你慢慢来，好好想一想再说。",
}


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


def speak_floor(work: Workspace, voices: Path | None, limit: int, threads: int) -> Path:
    """Speak the test sentences; returns the list for the scorer."""
    teacher = make_teacher(work, voices, threads)
    folder = work.evaluation / "teacher"
    listing = folder / "list.jsonl"
    listing.unlink(missing_ok=True)
    for language in LANGUAGES:
        for number, text in enumerate(test_sentences(language)[:limit]):
            voice = voice_of(language, number, SEEN)
            clip = reference_clip(work, teacher, language, voice)
            name = f"{language}{number:02d}.wav"
            write_wav(folder / name, _speak(teacher, text, language, voice), RATE)
            append_row(
                listing,
                {"audio": name, "text": text, "language": language, "speaker": str(clip.resolve())},
            )
    return listing
