"""Step ``emotion``: the example table of the emotion vector, from the trained networks.

Each of the eight emotions borrows manners of speaking that the teacher has.  That is a crude
picture of emotion, and the model card says so.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """Leave `styles` and `vectors`, one row an example, groups in the order of the engine."""
    _, conditioner = load_gpt(setting)
    features, styles = semantic_features(setting), load_cache(setting.work, "styles", "style")
    chosen = [
        clip
        for emotion, count in zip(EMOTIONS, setting.recipe.sizes.model.emo_num, strict=True)
        for clip in _examples(setting, emotion, count)
    ]
    longest = setting.recipe.sizes.model.gpt.cond_valid_frames
    vectors: list[Tensor] = []
    for clip in chosen:
        row = features[clip.name][None, :longest].to(setting.device)
        vectors.append(conditioner.emotion(row)[0].cpu())
    save_tensors(
        setting.work,
        "emotions",
        {"styles": torch.stack([styles[c.name] for c in chosen]), "vectors": torch.stack(vectors)},
    )


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
