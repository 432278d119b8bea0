from __future__ import annotations

import torch

from training.data.mel_pitch import mel_pitch
from training.unit_space import CODE_RATE


def test_pitch_is_read_in_the_middle_of_mel_frames() -> None:
    # Twice as many mel frames as semantic ones, over an octave.
    found = mel_pitch((100, 200), 4, 0.5 / CODE_RATE)
    assert found is not None
    octaves = (found[0] / 100).log2()
    torch.testing.assert_close(octaves, torch.tensor([0.0, 0.25, 0.75, 1.0]))
    assert found[1].tolist() == [1, 1, 1, 1]


def test_where_there_is_no_voice_the_pitch_is_between_that_around() -> None:
    found = mel_pitch((0, 100, 0, 400, 0), 5, 1 / CODE_RATE)
    assert found is not None
    torch.testing.assert_close(found[0], torch.tensor([100.0, 100.0, 200.0, 400.0, 400.0]))
    assert found[1].tolist() == [0, 1, 0, 1, 0]


def test_speech_without_a_voice_has_no_pitch() -> None:
    assert mel_pitch((), 3, 1 / CODE_RATE) is None
    assert mel_pitch((0, 0), 3, 1 / CODE_RATE) is None
