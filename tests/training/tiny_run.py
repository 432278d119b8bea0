"""A run of tiny dimensions over made-up speech: no teacher, no packages beyond the core."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from indextts.config import DatasetConfig
from indextts.network_configs import HarmonicSourceConfig
from indextts.stages.text.phonemes import PHONEME_FILE, Lexicon, PhonemeReader
from tests.indextts.tiny_model import BIGVGAN, W2V, tiny_config
from training.config import Recipe, Schedule, Sizes
from training.data.features import make_features
from training.data.spoken import spoken_list, write_ogg
from training.data.teacher import RATE
from training.lexicon import write_lexicon
from training.steps.common import Setting, open_setting
from training.unit_space import CODE_RATE, codebook_size, entry_width
from training.vocabulary import vocabulary_file, write_vocabulary
from training.workspace import Utterance, Workspace, append_row

STEPS = 6
WORDS = {
    "one": ("W", "AH1", "N"),
    "two": ("T", "UW1"),
    "tea": ("T", "IY1"),
    "now": ("N", "AW1"),
    "a.": ("EY1",),
    "b.": ("B", "IY1"),
}
LEXICON = Lexicon(
    english=WORDS,
    letters={"[o]": ("OW1",), "[t]": ("T",), "[n]": ("N",), "[w]": ("W",), "[e]": ("-",)},
    syllables={
        "ni": ("N-", "-I"), "hao": ("H-", "-AO"), "yi": ("-I",), "bu": ("B-", "-U"),
        "shi": ("SH-", "-IR"), "ge": ("G-", "-E"), "hang": ("H-", "-ANG"), "xing": ("X-", "-ING"),
        "yin": ("-IN",),
    },
    characters={
        "你": ("ni3",), "好": ("hao3",), "一": ("yi1",), "不": ("bu4",), "是": ("shi4",),
        "个": ("ge4",), "行": ("xing2",), "银": ("yin2",),
    },
    words={"银行": ("yin2", "hang2")},
)  # fmt: skip
SENTENCES = {
    "en": ("one two tea.", "now one, now two.", "tea now?"),
    "zh": ("你好。", "一个银行。", "你不是。"),
}
SOUNDS = 28
VOICES = {"en": ("af_one", "am_two"), "zh": ("zf_three",)}
MANNERS = ("plain", "fast")


def tiny_recipe() -> Recipe:
    """tests/indextts/tiny_model.py's dimensions, a handful of steps each."""
    schedule = Schedule(STEPS, 4, 2e-3, 1)
    tiny, codes = tiny_config(), codebook_size(SOUNDS)
    model = replace(
        tiny,
        dataset=DatasetConfig("bpe.model", PHONEME_FILE),
        gpt=replace(
            tiny.gpt,
            number_mel_codes=codes + 2,
            start_mel_token=codes,
            stop_mel_token=codes + 1,
        ),
        semantic_codec=replace(
            tiny.semantic_codec, codebook_size=codes, codebook_dim=entry_width(SOUNDS)
        ),
        semantic_layer=W2V.num_hidden_layers,
    )
    return Recipe(
        sizes=Sizes(model, W2V, replace(BIGVGAN, source=HarmonicSourceConfig(8)), SOUNDS),
        encoder=schedule,
        codec=schedule,
        vocoder=replace(schedule, batch=2, average=0.9),
        style=schedule,
        gpt=replace(schedule, average=0.9),
        s2mel=schedule,
        vocoder_frames=10,
        adversarial_from=3,
        latents=True,
    )


def babble(text: str, voice: str, manner: str) -> NDArray[np.float32]:
    """A tone for each letter, in the pitch of the voice: float32 [n] at 24 kHz, 0.8 to 1.5 s."""
    pitch = 90.0 + 40 * (sum(map(ord, voice)) % 5)
    length = int(RATE * (0.09 if manner == "fast" else 0.11))
    time = np.arange(length) / RATE
    tones = [
        sum(np.sin(2 * np.pi * pitch * k * time) / (1 + abs(k - ord(c) % 9)) for k in range(1, 12))
        for c in (text * 3)[:12]
    ]
    noise = np.random.default_rng(0).standard_normal(len(tones) * length) * 0.02
    return (0.1 * np.concatenate(tones) + noise).astype(np.float32)


def make_run(root: Path) -> Workspace:
    """Texts, speech and features of 18 utterances."""
    work = Workspace(root)
    root.mkdir(parents=True)
    write_lexicon(work.lexicon, LEXICON)
    write_vocabulary(vocabulary_file(work), LEXICON)
    reader = PhonemeReader(LEXICON)
    choose = random.Random(0)
    number = 0
    for language, voices in VOICES.items():
        for voice in voices:
            for text in SENTENCES[language]:
                for manner in MANNERS:
                    split = (
                        "valid" if text == SENTENCES[language][2] and manner == "fast" else "train"
                    )
                    sound = babble(text, voice, manner)[choose.randrange(400) :]
                    phonemes = reader.read(text)
                    # Only one language is aligned: both kinds of training happen.
                    count = len(phonemes.split()) if language == "en" else 0
                    seconds = len(sound) / RATE
                    ends = tuple(seconds * (i + 1) / count for i in range(count))
                    melody = tuple(100 + i % 30 for i in range(int(seconds * CODE_RATE)))
                    row = Utterance(
                        f"{language}{number:06d}", text, language, phonemes, voice, split,
                        manner, seconds, 0.05, ends, melody if count else (),
                    )  # fmt: skip
                    write_ogg(work.audio(row.name), sound)
                    append_row(spoken_list(work, 1), vars(row))
                    number += 1
    for index, text in enumerate(SENTENCES["zh"]):
        phonemes = reader.read(text)
        count = len(phonemes.split())
        row = Utterance(
            f"zh9{index:05d}", text, "zh", phonemes, "zf_three", "train", "plain", 1.0, 0.0,
            tuple((i + 1) / count for i in range(count)), (110,) * 50,
        )  # fmt: skip
        append_row(work.timing, vars(row))
    make_features(work, tiny_recipe().sizes.model.s2mel.preprocess_params)
    return work


def open_tiny(work: Workspace) -> Setting:
    return open_setting(work, tiny_recipe(), torch.device("cpu"))
