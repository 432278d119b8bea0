"""What the GPT's codes spell, without hearing them.

A code names its sound, so codes can be read.  This finds loops, skips, babble and lost ends in a
minute, and tells the errors of the GPT from those of the acoustic model and the vocoder.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from indextts.stages.decoding.bound import code_limit
from indextts.stages.decoding.generate import generate
from indextts.stages.decoding.session import NativeSession
from indextts.stages.text.phonemes import load_phoneme_reader
from indextts.stages.text.tokenizer import Tokenizer
from training.data.units import Units
from training.data.voices import SEEN
from training.evaluation.floor import voice_of
from training.evaluation.kinds import MEAN, Shares
from training.evaluation.texts import LONG_KINDS, everyday
from training.loop import derived_seed
from training.steps.common import Setting, semantic_features
from training.steps.gpt import load_gpt
from training.vocabulary import vocabulary_file

log = logging.getLogger(__name__)


def spelt_sounds(codes: Tensor, units: Units) -> list[int]:
    """The sounds of codes int64 [n] in order, without pauses; what stays the same is one sound."""
    sounds = units.parts(codes)[0].unique_consecutive().tolist()
    spoken = [sound for sound in sounds if sound]
    return [s for i, s in enumerate(spoken) if not i or s != spoken[i - 1]]


def wanted_sounds(ids: Tensor, units: Units) -> list[int]:
    """The sounds of text ids int64 [L]; doubled ones are one, as in :func:`spelt_sounds`."""
    sounds = units.sound_of[ids]
    found: list[int] = sounds[sounds > 0].unique_consecutive().tolist()
    return found


def edit_distance(wanted: Sequence[int], found: Sequence[int]) -> int:
    """Insertions, deletions and exchanges (Levenshtein 1966)."""
    row = list(range(len(found) + 1))
    for i, a in enumerate(wanted, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(found, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


@torch.inference_mode()
def measure_spelling(setting: Setting, limit: int, runs: int) -> Shares:
    """Share of wrong sounds in the everyday texts, each decoded in one go; logged by kind.

    Args:
        limit: texts of each kind and language; long ones are left out, nothing speaks them in
            one go.
        runs: seeds.
    """
    gpt, conditioner = load_gpt(setting)
    reader = load_phoneme_reader(setting.work.lexicon)
    assert reader is not None  # open_setting has read it
    tokenizer = Tokenizer(vocabulary_file(setting.work))
    features = semantic_features(setting)
    model = setting.recipe.sizes.model
    texts = [text for text in everyday(limit) if text.kind not in LONG_KINDS]
    rows = [torch.tensor(tokenizer.ids(tokenizer.tokenize(reader.read(t.text)))) for t in texts]
    prefixes = []
    for text, ids in zip(texts, rows, strict=True):
        voice = voice_of(text.language, text.number, SEEN)
        own = [i for i in setting.train.items if i.row.voice == voice and i.row.manner == "plain"]
        # The longest: a user's clip lasts some seconds.
        clip = features[own[-1].name][None, : model.gpt.cond_valid_frames].to(setting.device)
        condition = conditioner.condition(conditioner.voice(clip), conditioner.emotion(clip))[0]
        prefixes.append(gpt.prefix(condition, ids.to(setting.device)))
    limits = [code_limit(model.gpt, len(ids), model.sampling.max_mel_tokens) for ids in rows]
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    truncated = 0
    for run in range(runs):
        generators = [
            torch.Generator(setting.device).manual_seed(derived_seed(run, t.name)) for t in texts
        ]
        found = generate(
            partial(NativeSession, gpt), model.gpt, prefixes, limits, model.sampling, generators
        )
        for text, ids, made in zip(texts, rows, found, strict=True):
            wanted = wanted_sounds(ids, setting.units)
            wrong = edit_distance(wanted, spelt_sounds(made.codes.cpu(), setting.units))
            shares[text.language, text.kind].append(min(1.0, wrong / len(wanted)))
            truncated += made.truncated
    means: Shares = defaultdict(dict)
    for (language, kind), values in shares.items():
        means[language][kind] = round(float(np.mean(values)), 4)
    for by_kind in means.values():
        by_kind[MEAN] = round(float(np.mean(list(by_kind.values()))), 4)
    log.info("%s", json.dumps(means, indent=1))
    log.info("%d of %d hit the length bound", truncated, runs * len(texts))
    return dict(means)
