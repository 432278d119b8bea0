from __future__ import annotations

import random

import pytest
import torch

from indextts.errors import ModelFileError
from indextts.stages.emotion import load_emotion_matrix, normalize_vector, scale_vector
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
    user = golden[f"user{i}"].flatten().tolist()
    biased = normalize_vector(user)
    assert biased == pytest.approx(golden[f"normalized_bias{i}"].flatten().tolist(), abs=1e-7)
    assert normalize_vector(user, apply_bias=False) == pytest.approx(
        golden[f"normalized_nobias{i}"].flatten().tolist(), abs=1e-7
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
