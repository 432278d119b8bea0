from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.training.test_examples import Humming
from training.config import demo_recipe
from training.data.teacher import Teacher
from training.evaluation import quick, texts

BANDS = 80


def mel(frames: int) -> quick.Mel:
    levels = np.random.default_rng(1).uniform(quick.FLOOR, 2, (BANDS, frames))
    return levels.astype(np.float32)


def test_the_same_at_another_pace_is_no_distance_away() -> None:
    real = mel(20)
    uneven = np.repeat(real, [1, 2, 3, 1] * 5, axis=1)
    assert quick.distance(real, real) == 0
    assert quick.distance(uneven, real) == quick.distance(real, uneven) == 0


def test_the_distance_is_the_mean_difference() -> None:
    flat = np.zeros((BANDS, 7), np.float32)
    assert quick.distance(flat + 0.5, flat[:, :5]) == pytest.approx(0.5)
    half = flat.copy()
    half[: BANDS // 2] += 0.5
    assert quick.distance(half, flat) == pytest.approx(0.25)


def test_another_order_and_a_lost_half_are_far_away() -> None:
    real = mel(30)
    assert quick.distance(real[:, ::-1], real) > 1
    assert quick.distance(real[:, :15], real) > 1


def test_a_file_keeps_what_is_heard(tmp_path: Path) -> None:
    kept = {"one": mel(9), "two": mel(4)}
    quick.save_mels(kept, tmp_path / "mels.npz")
    found = quick.load_mels(tmp_path / "mels.npz")
    assert found.keys() == kept.keys()
    for name, real in kept.items():
        assert np.abs(found[name] - real).max() <= 0.5 / quick.LEVELS_A_NEPER + 1e-5


def test_the_teacher_speaks_every_sentence(tmp_path: Path) -> None:
    config = demo_recipe().sizes.model.s2mel.preprocess_params
    quick.make_mels(cast(Teacher, Humming()), config, tmp_path / "mels.npz")
    made, kept = quick.load_mels(tmp_path / "mels.npz"), quick.load_mels()
    assert made.keys() == kept.keys() == quick.TEXTS.keys()
    for mels in (made, kept):
        assert all(len(mel) == BANDS and mel.min() >= quick.FLOOR for mel in mels.values())


def test_no_decision_was_made_on_these_sentences() -> None:
    known = {row.text for row in (*texts.everyday(99), *texts.final(99))}
    assert not known & set(quick.TEXTS.values())
