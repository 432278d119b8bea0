"""The card says what was measured, the bad as well."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.tiny_run import tiny_recipe
from training.config import Recipe
from training.model_card import FLAT, ONE_STEP, UNMOVED, write_card
from training.workspace import Workspace


def card(root: Path, recipe: Recipe, emotion: dict[str, float]) -> str:
    work = Workspace(root)
    folder = work.evaluation / "tests"
    folder.mkdir(parents=True)
    (folder / "emotion.json").write_text(json.dumps(emotion), encoding="utf-8")
    write_card(work, recipe, root / "card.md")
    return (root / "card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("slow_to_fast", "high_to_low", "said"),
    [(1.6, 1.2, ()), (1.0, 1.2, (UNMOVED,)), (1.6, 1.0, (FLAT,)), (1.0, 1.0, (UNMOVED, FLAT))],
)
def test_what_does_not_move_is_said(
    tmp_path: Path, slow_to_fast: float, high_to_low: float, said: tuple[str, ...]
) -> None:
    text = card(tmp_path, tiny_recipe(), {"slow_to_fast": slow_to_fast, "high_to_low": high_to_low})
    assert tuple(limit for limit in (UNMOVED, FLAT) if limit in text) == said


def test_a_single_step_is_said(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    s2mel = replace(recipe.sizes.model.s2mel, diffusion_steps=1)
    sizes = replace(recipe.sizes, model=replace(recipe.sizes.model, s2mel=s2mel))
    moved = {"slow_to_fast": 2.0, "high_to_low": 2.0}
    assert ONE_STEP in card(tmp_path / "one", replace(recipe, sizes=sizes), moved)
    assert ONE_STEP not in card(tmp_path / "many", recipe, moved)


def test_every_kind_of_text_has_a_row(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    summary = {"en": {"wer": 0.1}, "zh": {"syllable_error_rate": 0.2}}
    (work.evaluation / "tests").mkdir(parents=True)
    (work.evaluation / "tests" / "scores.json").write_text(
        json.dumps({"summary": summary}), encoding="utf-8"
    )
    found = {
        "errors": {"en": {"word": 0.25, "mean of kinds": 0.25}},
        "ends_inside_a_sound": 1,
        "files": 4,
        "runs": 2,
    }
    (work.evaluation / "everyday.json").write_text(json.dumps(found), encoding="utf-8")
    final = found | {"errors": {"en": {"word": 0.5, "mean of kinds": 0.5}}, "files": 6, "runs": 1}
    (work.evaluation / "final.json").write_text(json.dumps(final), encoding="utf-8")
    write_card(work, tiny_recipe(), tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "| word | 25.0% |  |" in text
    assert "(4 files of the development set, 2 draws)" in text
    assert "1 of 4 files end inside a sound." in text
    assert text.index("(6 files of the final test, one draw)") < text.index("| word | 50.0% |  |")
    assert text.index("| word | 50.0% |  |") < text.index("| word | 25.0% |  |")
