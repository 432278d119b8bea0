"""Step ``emotion``: the example table of the emotion vector, from the trained networks.

Each of the eight emotions borrows manners of speaking that the teacher has.  That is a crude
picture of emotion, and the model card says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from indextts.request import EMOTIONS
from training.data.corpus import load_cache
from training.data.features import Item
from training.loop import chooser, save_tensors
from training.steps.common import Setting, semantic_features
from training.steps.gpt import load_gpt

MANNERS_OF = {
    "happy": ("high", "fast"),
    "angry": ("fast",),
    "sad": ("slow", "low"),
    "afraid": ("high", "fast"),
    "disgusted": ("low",),
    "melancholic": ("slow",),
    "surprised": ("high",),
    "calm": ("plain", "slow"),
}


@torch.inference_mode()
def make_emotions(setting: Setting) -> None:
    """Leave `styles` and `vectors`, one row an example, groups in the order of the engine, and
    `usual`, the mean vector of plain speech [D].
    """
    _, conditioner = load_gpt(setting)
    features, styles = semantic_features(setting), load_cache(setting.work, "styles", "style")
    chosen = [
        clip
        for emotion, count in zip(EMOTIONS, setting.recipe.sizes.model.emo_num, strict=True)
        for clip in _examples(setting, emotion, count)
    ]
    longest = setting.recipe.sizes.model.gpt.cond_valid_frames

    def vectors(clips: Sequence[Item]) -> Tensor:
        rows = (features[clip.name][None, :longest].to(setting.device) for clip in clips)
        return torch.cat([conditioner.emotion(row).cpu() for row in rows])

    plain = [item for item in setting.train.items if item.row.manner == "plain"]
    content = {
        "styles": torch.stack([styles[clip.name] for clip in chosen]),
        "vectors": vectors(chosen),
        "usual": vectors(plain or setting.train.items).mean(0),
    }
    save_tensors(setting.work, "emotions", content)


def exaggerated(conditioner: Mapping[str, Tensor], usual: Tensor, gain: float) -> dict[str, Tensor]:
    """The conditioner's weights with emotion vectors `gain` times as far from the usual one.

    The GPT follows an emotion clip less far than the clip goes; this makes up for a part of it.
    """
    weight, bias = conditioner["emo_layer.weight"], conditioner["emo_layer.bias"]
    return {
        **conditioner,
        "emo_layer.weight": gain * weight,
        "emo_layer.bias": further(bias, usual, gain),
    }


def further(vectors: Tensor, usual: Tensor, gain: float) -> Tensor:
    """Vectors [..., D], `gain` times as far from the usual one [D]."""
    return usual + gain * (vectors - usual)


def _examples(setting: Setting, emotion: str, count: int) -> Sequence[Item]:
    """Clips of the emotion's manners, of as many voices as there are."""
    choose = chooser(setting.recipe.seed, "emotion", emotion)
    pool = [i for i in setting.train.items if i.row.manner in MANNERS_OF[emotion]]
    pool = pool or setting.train.items
    order = sorted(pool, key=lambda item: (choose.random(), item.name))
    first: dict[str, Item] = {}
    for item in order:
        first.setdefault(item.row.voice, item)
    ranked = [*first.values(), *(i for i in order if i not in first.values())]
    return (ranked * count)[:count]
