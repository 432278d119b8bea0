from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from training.data.teacher import RATE, Teacher
from training.steps.examples import CLIPS, make_examples

VOICES = Path(__file__).resolve().parents[2] / "examples" / "voices"


class Humming:
    """Stands for the teacher."""

    def speak(self, text: str, *_: Any) -> SimpleNamespace:
        wave = np.sin(np.arange(RATE) / (50 + len(text)))
        return SimpleNamespace(sound=wave.astype(np.float32))


def test_every_clip_gets_its_sidecar(tmp_path: Path) -> None:
    make_examples(cast(Teacher, Humming()), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 * len(CLIPS)
    for clip in CLIPS:
        sound = (tmp_path / f"{clip.name}.flac").read_bytes()
        assert (tmp_path / f"{clip.name}.json").read_bytes() == clip.sidecar(sound)


def test_the_clips_of_the_repository_have_theirs() -> None:
    assert {path.stem for path in VOICES.glob("*.flac")} == {clip.name for clip in CLIPS}
    for clip in CLIPS:
        sound = (VOICES / f"{clip.name}.flac").read_bytes()
        assert (VOICES / f"{clip.name}.json").read_bytes() == clip.sidecar(sound)
