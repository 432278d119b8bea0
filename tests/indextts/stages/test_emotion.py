from __future__ import annotations

import random

import pytest
import torch

from indextts.errors import ModelFileError
from indextts.stages.emotion import load_emotion_matrix, scale_vector, too_strong
from tests.indextts import goldens
from tests.indextts.goldens import SHARED, assert_close, needs_goldens

GROUPS = (3, 17, 2, 8, 4, 5, 10, 24)


@needs_goldens
@pytest.mark.parametrize("i", [0, 1])
def test_emotion_vectors_match_goldens(i: int) -> None:
    golden = goldens.arrays("gpt/emotion.npz")
    matrix = load_emotion_matrix(
        SHARED / "assets/feat1.pt", SHARED / "assets/feat2.pt", GROUPS, torch.device("cpu")
    )
    scaled = scale_vector(
        golden[f"normalized_bias{i}"].flatten().tolist(), float(golden[f"alpha{i}"])
    )
    assert scaled == pytest.approx(golden[f"scaled{i}"].flatten().tolist(), abs=1e-9)
    rows = matrix.nearest(golden[f"style{i}"])
    assert rows == golden[f"indices{i}"].flatten().tolist()
    assert_close(matrix.combine(scaled, rows), golden[f"emovec_mat{i}"], 1e-5)
    assert_close(matrix.mix(golden[f"base{i}"], scaled, rows), golden[f"mixed{i}"], 1e-5)


def test_scale_cuts_toward_zero_and_clamps_alpha() -> None:
    assert scale_vector([0.33339], 0.5) == (0.1666,)
    assert scale_vector([0.5], 3.0) == (0.5,)
    assert scale_vector([0.5], -1.0) == (0.0,)


def test_strengths_that_leave_something_of_the_voice_are_no_reason_to_warn() -> None:
    for fine in ((0.0,) * 8, (1.0,) + (0.0,) * 7, (0.125,) * 8, (0.1, 0.7, 0.2)):
        assert too_strong(fine) is None
    assert sum((0.7, 0.1, 0.1, 0.1)) == pytest.approx(1.0)
    assert too_strong((0.7, 0.1, 0.1, 0.1)) is None


@pytest.mark.parametrize(("one", "told"), [(0.2, "1.600"), (0.12501, "1.001"), (1.2, "9.600")])
def test_too_strong_an_emotion_is_told_with_what_to_do(one: float, told: str) -> None:
    warning = too_strong((one,) * 8)
    assert warning is not None
    assert f"sum to {told}: above 1 the voice's own emotion is subtracted" in warning
    assert "lower them" in warning


def test_random_rows_stay_in_their_groups(tmp_path) -> None:
    torch.save(torch.randn(73, 192), tmp_path / "a.pt")
    torch.save(torch.randn(73, 8), tmp_path / "b.pt")
    matrix = load_emotion_matrix(tmp_path / "a.pt", tmp_path / "b.pt", GROUPS, torch.device("cpu"))
    draws = [matrix.draw(random.Random(seed)) for seed in range(200)]
    for emotion, size in enumerate(GROUPS):
        assert {draw[emotion] for draw in draws} <= set(range(size))
    assert draws[0] == matrix.draw(random.Random(0))


def test_matrix_of_another_size_is_refused(tmp_path) -> None:
    torch.save(torch.randn(72, 192), tmp_path / "a.pt")
    torch.save({"x": 1}, tmp_path / "b.pt")
    with pytest.raises(ModelFileError, match="73 rows"):
        load_emotion_matrix(tmp_path / "a.pt", tmp_path / "a.pt", GROUPS, torch.device("cpu"))
    with pytest.raises(ModelFileError, match="no matrix"):
        load_emotion_matrix(tmp_path / "b.pt", tmp_path / "a.pt", GROUPS, torch.device("cpu"))
