"""Other voices out of those that there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny_run import make_run, open_tiny, tiny_recipe
from training.data.features import make_features
from training.data.pack import pack, unpack
from training.data.spoken import RELATIVE, is_relative, spoken
from training.data.teacher import RATE
from training.steps.relatives import FACTORS, faster, make_relatives, resampled
from training.workspace import Utterance, Workspace

HERTZ = 200


@pytest.mark.parametrize("factor", FACTORS)
def test_a_faster_sound_is_shorter_and_higher(factor: float) -> None:
    sound = np.sin(2 * np.pi * HERTZ * np.arange(RATE, dtype=np.float32) / RATE)
    made = resampled(sound.astype(np.float32), factor)
    assert len(made) == pytest.approx(len(sound) / factor, abs=2)
    peak = np.argmax(np.abs(np.fft.rfft(made))) * RATE / len(made)
    assert peak == pytest.approx(HERTZ * factor, abs=1.5)


@pytest.mark.parametrize("factor", FACTORS)
def test_what_is_known_of_a_sound_moves_with_it(factor: float) -> None:
    pitch = (0,) * 50 + (100,) * 50
    row = Utterance(
        "en1", "One.", "en", "W AH1 N", "v", "train", "slow", 2.0, 0.1, (1.0, 2.0), pitch
    )
    made = faster(row, factor)
    assert (made.text, made.split, made.manner) == ("One.", "train", "slow")
    assert made.name != row.name
    assert made.voice != row.voice
    assert is_relative(made)
    assert made.seconds == pytest.approx(2.0 / factor)
    assert made.ends == pytest.approx((1.0 / factor, 2.0 / factor))
    assert abs(len(made.pitch) - len(pitch) / factor) <= 1
    # The voice sets in where the middle of the old sound has come to.
    assert abs(made.pitch.count(0) - 50 / factor) <= 1
    assert set(made.pitch) == {0, round(100 * factor)}


def test_only_the_acoustic_model_hears_relatives(tmp_path: Path) -> None:
    work = make_run(tmp_path / "run")
    own = [row for row in spoken(work) if row.split == "train"]
    assert make_relatives(work) == len(own)
    assert make_relatives(work) == 0
    make_features(work, tiny_recipe().sizes.model.s2mel.preprocess_params)
    setting = open_tiny(work)
    assert not any(is_relative(item.row) for item in setting.train.items)
    assert len(setting.train.items) == len(own)
    assert len(setting.related.items) == 2 * len(own)
    voices = {item.row.voice for item in setting.related.items}
    assert len(voices) == 2 * len(setting.voices)
    usual = setting.usual_pitches
    for voice in usual.keys() & set(setting.voices):
        assert min(abs(usual[voice + RELATIVE] / usual[voice] - f) for f in FACTORS) < 0.02
    # They are made again where they are needed.
    pack(work, tmp_path / "run.tar", 56)
    there = Workspace(tmp_path / "there")
    unpack(there, tmp_path / "run.tar")
    assert not any(is_relative(row) for row in spoken(there))
    assert make_relatives(there) == len(own)
