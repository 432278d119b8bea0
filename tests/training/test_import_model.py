"""A run that goes on from an exported model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.tiny_run import make_run, open_tiny, tiny_recipe
from training.loop import Budget, load_weights
from training.steps.codec import heard_codes
from training.steps.common import all_items
from training.steps.export import export_model
from training.steps.gpt import GPTTask
from training.steps.import_model import TEXT_TABLE, make_caches, take_weights, take_words
from training.steps.vocoder import VocoderTask
from training.vocabulary import vocabulary_file
from training.workspace import Workspace

STEPS = ("encoder", "codec", "style", "vocoder", "gpt", "s2mel")


@pytest.fixture(scope="module")
def imported(trained_run: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("exported")
    export_model(trained_run, tiny_recipe(), folder)
    work = make_run(tmp_path_factory.mktemp("imported") / "run")
    take_words(work, folder)
    take_weights(work, tiny_recipe(), folder)
    make_caches(open_tiny(work))
    return work


@pytest.mark.parametrize("step", STEPS)
def test_weights_come_back_in_half_precision(
    trained_run: Workspace, imported: Workspace, step: str
) -> None:
    ours, theirs = load_weights(imported, step), load_weights(trained_run, step)
    for part, state in ours.items():
        for key, value in state.items():
            if "mel_head" in key or key == TEXT_TABLE:
                continue  # the export rules START out, and leaves out what no text has
            torch.testing.assert_close(value, theirs[part][key], atol=1e-3, rtol=2e-3)


def test_the_same_speech_has_the_same_codes(trained_run: Workspace, imported: Workspace) -> None:
    ours, theirs = (
        heard_codes(setting, all_items(setting))
        for setting in (open_tiny(imported), open_tiny(trained_run))
    )
    assert ours.keys() == theirs.keys()
    same = torch.cat([ours[name] == theirs[name] for name in ours]).float().mean()
    assert float(same) > 0.9


def test_training_goes_on_from_it(imported: Workspace) -> None:
    setting = open_tiny(imported)
    for task in (GPTTask(setting), VocoderTask(setting)):
        fresh = task.weights()
        task.begin(load_weights(imported, task.name))
        begun, wanted = task.weights(), load_weights(imported, task.name)
        for part in wanted:
            changed = False
            for key, value in wanted[part].items():
                assert torch.equal(begun[part][key], value)
                changed |= not torch.equal(fresh[part][key], value)
            assert changed


def test_the_loop_begins_with_weights_where_there_is_no_state(imported: Workspace) -> None:
    from training.loop import train

    class Probe(GPTTask):
        begun = False

        def begin(self, weights: dict[str, object]) -> None:
            self.begun = True

    task = Probe(open_tiny(imported))
    assert not train(task, imported, Budget(minutes=0))
    assert task.begun
    task.begun = False
    train(task, imported, Budget(minutes=0))
    assert not task.begun


def test_another_size_is_refused(tmp_path: Path, trained_run: Workspace) -> None:
    from dataclasses import replace

    export_model(trained_run, tiny_recipe(), tmp_path)
    recipe = tiny_recipe()
    model = replace(recipe.sizes.model, gpt=replace(recipe.sizes.model.gpt, number_text_tokens=7))
    other = replace(recipe, sizes=replace(recipe.sizes, model=model))
    with pytest.raises(ValueError, match="the recipe wants"):
        take_weights(Workspace(tmp_path / "run"), other, tmp_path)


def test_words_are_taken_first(imported: Workspace) -> None:
    assert imported.lexicon.is_file()
    assert vocabulary_file(imported).is_file()
