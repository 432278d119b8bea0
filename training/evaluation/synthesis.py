"""Test sentences through the engine, and held-out speech through codes and back."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from indextts.infer_v2 import IndexTTS2
from indextts.layers.bigvgan import BigVGAN
from indextts.request import Synthesis, SynthesisRequest
from indextts.stages.vocoder import Vocoder
from indextts.utils.audio_file import read_audio, write_wav
from training.data.teacher import Teacher
from training.data.voices import SEEN, UNSEEN
from training.evaluation.floor import listed, make_teacher, reference_clip, voice_of
from training.evaluation.texts import EvaluationText, sentences
from training.loop import chooser, load_weights
from training.nets.trainable import make_trainable
from training.steps.common import Setting
from training.steps.s2mel import S2MelTask
from training.steps.texts import LANGUAGES
from training.workspace import Workspace, append_row, read_utterances, write_atomically

log = logging.getLogger(__name__)

SEED = 1


@dataclass(frozen=True)
class Spoken:
    """Figures of one test sentence."""

    name: str
    seconds: float
    work_seconds: float
    truncated: bool


def speak_tests(
    work: Workspace, model: Path, voices: Path | None, limit: int, extra: int = 0
) -> Path:
    """Speak the test sentences with the engine, seen voices first, unseen ones to `unseen`.

    Args:
        limit: test sentences of each language.
        extra: held-out sentences of the plan to speak besides, only to see whether they end.

    Returns:
        the list for the scorer, of the seen voices; speed and lengths are in ``speed.json``.
    """
    start = time.perf_counter()
    engine = IndexTTS2(model, device="cpu")
    loaded = time.perf_counter() - start
    teacher = None if voices is None else make_teacher(work, voices, 1)
    texts = sentences(limit)
    found = [
        *_speak(work, engine, teacher, texts, "tests", SEEN),
        *_speak(work, engine, teacher, texts, "unseen", UNSEEN),
        *_speak_more(work, engine, teacher, extra),
    ]
    audio, spent = sum(f.seconds for f in found), sum(f.work_seconds for f in found)
    speed = {
        "load_seconds": round(loaded, 2),
        "audio_seconds": round(audio, 1),
        "real_time_factor": round(spent / audio, 3),
        "truncated": sum(f.truncated for f in found),
        "length_to_teacher": _length_ratios(work, found),
    }
    path = work.evaluation / "tests" / "speed.json"
    write_atomically(path, (json.dumps(speed, indent=1) + "\n").encode())
    log.info("%s", json.dumps(speed))
    return work.evaluation / "tests" / "list.jsonl"


def speak_kinds(
    work: Workspace,
    model: Path,
    voices: Path | None,
    texts: Sequence[EvaluationText],
    name: str,
    runs: int,
) -> list[Path]:
    """Speak texts of all kinds with seen voices, one run a seed; returns a list for each run, in
    the folders ``NAME-SEED``.
    """
    engine = IndexTTS2(model, device="cpu")
    teacher = None if voices is None else make_teacher(work, voices, 1)
    listings = []
    for seed in range(SEED, SEED + runs):
        folder = f"{name}-{seed}"
        found = _speak(work, engine, teacher, texts, folder, SEEN, seed)
        log.info("%s: %d hit the length bound", folder, sum(one.truncated for one in found))
        listings.append(work.evaluation / folder / "list.jsonl")
    return listings


def _speak(
    work: Workspace,
    engine: IndexTTS2,
    teacher: Teacher | None,
    texts: Sequence[EvaluationText],
    folder: str,
    choice: Mapping[str, tuple[str, ...]],
    seed: int = SEED,
) -> list[Spoken]:
    """Speak texts into a folder of the evaluation, with a list for the scorer."""
    listing = work.evaluation / folder / "list.jsonl"
    listing.unlink(missing_ok=True)
    found = []
    for text in tqdm(texts, desc=folder):
        voice = voice_of(text.language, text.number, choice)
        clip = reference_clip(work, teacher, text.language, voice)
        result = engine.synthesize(SynthesisRequest(text.text, read_audio(clip), seed=seed))
        write_wav(listing.parent / f"{text.name}.wav", result.waveform, result.sample_rate)
        append_row(listing, listed(text, clip))
        found.append(_figures(f"{folder}/{text.name}.wav", result))
    return found


def _speak_more(
    work: Workspace, engine: IndexTTS2, teacher: Teacher | None, extra: int
) -> list[Spoken]:
    held_out = [row for row in read_utterances(work.texts) if row.split != "train"][:extra]
    found = []
    for row in tqdm(held_out, desc="more"):
        clip = reference_clip(work, teacher, row.language, row.voice)
        request = SynthesisRequest(row.text, read_audio(clip), seed=SEED)
        found.append(_figures(f"more/{row.name}", engine.synthesize(request)))
    return found


def _figures(name: str, result: Synthesis) -> Spoken:
    return Spoken(
        name,
        result.audio_seconds,
        result.seconds.total,
        any(segment.truncated for segment in result.segments),
    )


def _length_ratios(work: Workspace, found: list[Spoken]) -> dict[str, float]:
    """Shortest and longest sentence against the teacher's, where ``evaluate --teacher`` has run."""
    ratios = []
    for one in found:
        path = work.evaluation / "teacher" / Path(one.name).name
        if one.name.startswith("tests/") and path.is_file():
            ratios.append(one.seconds / read_audio(path).seconds)
    return {"min": round(min(ratios), 3), "max": round(max(ratios), 3)} if ratios else {}


@torch.inference_mode()
def resynthesize(setting: Setting, limit: int) -> Path:
    """Held-out speech as codes, and by acoustic model and vocoder back to sound.

    This is the gate before the GPT: what is lost here, nothing behind it can bring back.

    Returns:
        the list for the scorer.
    """
    work, sizes = setting.work, setting.recipe.sizes
    acoustic = S2MelTask(setting)
    acoustic.begin(load_weights(work, "s2mel"))
    generator = BigVGAN(sizes.bigvgan)
    make_trainable(generator)
    generator.load_state_dict(load_weights(work, "vocoder")["vocoder"])
    vocoder = Vocoder(generator.to(setting.device).eval())
    folder = work.evaluation / "resynthesis"
    listing = folder / "list.jsonl"
    listing.unlink(missing_ok=True)
    for language in LANGUAGES:
        items = [i for i in setting.valid.items if i.row.language == language][:limit]
        for item in tqdm(items, desc=f"resynthesis {language}"):
            choose = chooser(SEED, "resynthesis", item.name)
            mel = acoustic.guess(item, setting.train.same_voice(item, choose))
            write_wav(
                folder / f"{item.name}.wav",
                vocoder.waveform(mel).cpu().numpy().astype(np.float32),
                sizes.model.s2mel.preprocess_params.sr,
            )
            row = {"audio": f"{item.name}.wav", "text": item.row.text, "language": language}
            append_row(listing, row)
    return listing
