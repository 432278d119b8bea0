"""Step ``emotion``: the example table of the emotion vector, from the trained networks.

Each of the eight emotions borrows manners of speaking that the teacher has.  That is a crude
picture of emotion, and the model card says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from indextts.request import EMOTIONS
from training.data.corpus import load_cache
from training.data.features import Item
from training.loop import chooser, save_tensors
from training.steps.common import Setting, semantic_features
from training.steps.gpt import load_gpt

# In an exported model: what a training that goes on from it must know.
RECORD = "training.json"
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


@dataclass(frozen=True, eq=False)
class EmotionGain:
    """Emotion vectors `factor` times as far from the usual one.

    The GPT follows an emotion clip less far than the clip goes; an export makes up for a part of
    it.  The record that it leaves lets ``import`` take that back, or each export would add its own.

    Attributes:
        usual: float32 [D].
    """

    factor: float
    usual: Tensor

    def conditioner(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The conditioner's weights that give such vectors."""
        return {
            **state,
            "emo_layer.weight": self.factor * state["emo_layer.weight"],
            "emo_layer.bias": self.vectors(state["emo_layer.bias"]),
        }

    def vectors(self, vectors: Tensor) -> Tensor:
        """Vectors [..., D], moved."""
        return self.usual + self.factor * (vectors - self.usual)

    def undone(self) -> EmotionGain:
        """What takes this one back."""
        return replace(self, factor=1 / self.factor)

    def record(self, folder: Path) -> None:
        """Leave it in an exported model's folder."""
        content = {"emotion_gain": self.factor, "usual_emotion": self.usual.tolist()}
        (folder / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def recorded_gain(folder: Path) -> EmotionGain | None:
    """What was recorded in the folder of an exported model; None where nothing was."""
    path = folder / RECORD
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return EmotionGain(content["emotion_gain"], torch.tensor(content["usual_emotion"]))


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
