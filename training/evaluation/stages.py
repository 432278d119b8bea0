"""What each stage loses: texts from the teacher's own mel, and from its own codes.

The mel through the vocoder shows what the vocoder loses; the codes through acoustic model and
vocoder, behind a reference clip as in the engine, what the acoustic model loses besides; and
``evaluate --everyday`` what the draw of the codes adds to that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from indextts.config import PreprocessConfig
from indextts.request import ReferenceAudio
from indextts.stages.acoustic import PromptCondition
from indextts.stages.networks import Networks, load_networks
from indextts.stages.reference import ReferenceEncoder, reference_cache
from indextts.stages.text.phonemes import load_phoneme_reader
from indextts.stages.text.tokenizer import Tokenizer
from indextts.utils.audio_file import read_audio, write_wav
from training.data.features import Item, mel_of_sound
from training.data.teacher import RATE
from training.data.voices import MANNERS, SEEN
from training.evaluation.floor import listed, make_teacher, reference_clip, voice_of
from training.evaluation.texts import LONG_KINDS, everyday
from training.loop import seed_all
from training.steps.common import Setting
from training.unit_space import CODE_RATE
from training.vocabulary import vocabulary_file
from training.workspace import Utterance, append_row

STAGES = ("mel", "codes")
CACHE_BYTES = 64 * 1024 * 1024
SEED = 1


def speak_stages(setting: Setting, model: Path, voices: Path | None, limit: int) -> dict[str, Path]:
    """Speak the everyday texts as the teacher would; the scorer's list for each of the stages.

    Args:
        model: exported; its GPT is not used.
        limit: texts of each kind and language; long ones are left out, being many segments.
    """
    networks = load_networks(model, torch.device("cpu"), "fp32", verbalizer="none")
    references = ReferenceEncoder(networks.reference, reference_cache(CACHE_BYTES))
    work, preprocess = setting.work, networks.config.s2mel.preprocess_params
    teacher, tokenizer = make_teacher(work, voices, 1), Tokenizer(vocabulary_file(work))
    reader = load_phoneme_reader(work.lexicon)
    assert reader is not None  # open_setting has read it
    listings = {stage: work.evaluation / f"stage-{stage}" / "list.jsonl" for stage in STAGES}
    for listing in listings.values():
        listing.unlink(missing_ok=True)
    for text in tqdm([t for t in everyday(limit) if t.kind not in LONG_KINDS], desc="stages"):
        voice = voice_of(text.language, text.number, SEEN)
        clip = reference_clip(work, teacher, text.language, voice)
        spoken = teacher.speak(text.text, text.language, voice, MANNERS["plain"])
        row = Utterance(
            text.name, text.text, text.language, reader.read(text.text), voice, "valid", "plain",
            **vars(spoken.timing),
        )  # fmt: skip
        item = spoken_item(row, spoken.sound, tokenizer, preprocess)
        codes = setting.units.codes(item, setting.usual_pitches[voice])
        mels = {
            "mel": item.mel,
            "codes": mel_of(networks, codes, references.voice(read_audio(clip)).prompt),
        }
        for stage, listing in listings.items():
            wave = networks.vocoder.waveform(mels[stage]).cpu().numpy()
            write_wav(listing.parent / f"{text.name}.wav", wave, preprocess.sr)
            append_row(listing, listed(text, clip))
    return listings


def spoken_item(
    row: Utterance, sound: NDArray[np.float32], tokenizer: Tokenizer, preprocess: PreprocessConfig
) -> Item:
    """An utterance with its mel and as many frames of speech as there are, which are empty.

    Args:
        sound: float32 [n] at the teacher's rate.
    """
    empty = torch.empty(0)
    return Item(
        row,
        ids=torch.tensor(tokenizer.ids(tokenizer.tokenize(row.phonemes))),
        ends=torch.tensor(row.ends, dtype=torch.float32),
        speech=torch.empty(int(row.seconds * CODE_RATE), 0),
        heard=0,
        style=empty,
        mel=mel_of_sound(ReferenceAudio(sound, RATE), preprocess),
        wave=empty,
    )


@torch.inference_mode()
def mel_of(networks: Networks, codes: Tensor, prompt: PromptCondition) -> Tensor:
    """What the acoustic model makes of codes int64 [n] behind a prompt, without latents:
    float32 [80, F].
    """
    acoustic = networks.reference.acoustic
    seed_all(SEED, "stages")
    bands, width = prompt.mel.shape[1], acoustic.config.gpt_layer[0]
    return acoustic.mels(
        [torch.zeros(len(codes), width)],
        [networks.codec.embed(codes[None])[0]],
        prompt,
        lambda _, frames: torch.randn(1, bands, frames),
    )[0]
