"""Step ``features``: sound files to everything the trainings read, in the engine's own way."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from indextts.config import PreprocessConfig
from indextts.request import ReferenceAudio
from indextts.stages.text.tokenizer import Tokenizer
from indextts.utils.audio_file import read_audio
from indextts.utils.fbank import kaldi_fbank, speech_features
from indextts.utils.mel import mel_spectrogram
from indextts.utils.resample import speaker_signal, to_16k
from training.data.spoken import spoken
from training.unit_space import CODE_RATE
from training.workspace import Utterance, Workspace, read_utterances, write_atomically

log = logging.getLogger(__name__)

SHARD = 500


@dataclass(frozen=True, eq=False)
class Item:
    """An utterance with its features, half precision where that is enough.

    Attributes:
        ids: int64 [L], text ids.
        ends: float32 [L], seconds at which each of them ends; [0] where that is not known.
        speech: float16 [T, 160], input of the speech encoder.
        heard: int, frames of it that are not masked.
        style: float16 [m, 80], centred, input of the speaker encoder.
        mel: float16 [80, F].
        wave: int16 [n] at 22.05 kHz.
    """

    row: Utterance
    ids: Tensor
    ends: Tensor
    speech: Tensor
    heard: int
    style: Tensor
    mel: Tensor
    wave: Tensor

    @property
    def name(self) -> str:
        return self.row.name


def make_features(work: Workspace, preprocess: PreprocessConfig) -> int:
    """Compute what is not there yet, in shards; returns the number of utterances."""
    rows = list(spoken(work))
    known = {name for path in _paths(work) for name in torch.load(path, mmap=True)}
    missing = [row for row in rows if row.name not in known]
    first = len(_paths(work))
    chunks = [missing[i : i + SHARD] for i in range(0, len(missing), SHARD)]
    with tqdm(total=len(missing), desc="features") as bar:
        for number, chunk in enumerate(chunks, start=first):
            content = {}
            for row in chunk:
                content[row.name] = _features(work, row, preprocess)
                bar.update()
            buffer = io.BytesIO()
            torch.save(content, buffer)
            write_atomically(work.cache(f"features-{number:03d}"), buffer.getvalue())
    return len(rows)


def mel_of_sound(sound: ReferenceAudio, preprocess: PreprocessConfig) -> Tensor:
    """The log mel that the acoustic model is to make of a sound: float32 [bands, frames]."""
    wave = speaker_signal(sound, preprocess.sr)
    return mel_spectrogram(wave, preprocess.spect_params, preprocess.sr)[0]


def _features(work: Workspace, row: Utterance, preprocess: PreprocessConfig) -> dict[str, Any]:
    wave = speaker_signal(read_audio(work.audio(row.name)), preprocess.sr)  # [1, n]
    wave16 = to_16k(wave, preprocess.sr)
    speech, mask = speech_features(wave16)
    fbank = kaldi_fbank(wave16)
    return {
        "speech": speech[0].half(),
        "heard": int(mask.sum()),
        "style": (fbank - fbank.mean(0, keepdim=True)).half(),
        "mel": mel_spectrogram(wave, preprocess.spect_params, preprocess.sr)[0].half(),
        "wave": (wave[0] * 32767).round().clamp(-32768, 32767).to(torch.int16),
    }


def _paths(work: Workspace) -> list[Path]:
    return sorted(work.cache("features").parent.glob("features-*.pt"))


def load_items(work: Workspace, tokenizer: Tokenizer) -> list[Item]:
    """All utterances that have features, in the order of their names.

    Raises:
        FileNotFoundError: there are none.
    """
    content: dict[str, dict[str, Any]] = {}
    for path in _paths(work):
        content |= torch.load(path, weights_only=True)
    items = [
        Item(row, *_symbols(row, tokenizer), **content[row.name])
        for row in spoken(work)
        if row.name in content
    ]
    if not items:
        raise FileNotFoundError(f"no features in {work.root}: run texts, speech and features first")
    return items


def load_timed(work: Workspace, tokenizer: Tokenizer) -> list[Item]:
    """Sentences that have a timing but no sound: their features are empty, `speech` has the right
    number of frames.
    """
    heard = {row.name for row in spoken(work)}
    empty = torch.empty(0)
    return [
        Item(
            row,
            *_symbols(row, tokenizer),
            speech=torch.empty(int(row.seconds * CODE_RATE), 0),
            heard=0,
            style=empty,
            mel=empty,
            wave=empty,
        )
        for row in read_utterances(work.timing)
        if row.name not in heard
    ]


def _symbols(row: Utterance, tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Text ids and their ends."""
    ids = torch.tensor(tokenizer.ids(tokenizer.tokenize(row.phonemes)))
    return ids, torch.tensor(row.ends, dtype=torch.float32)
