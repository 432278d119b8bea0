"""A run that goes on from an exported model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from indextts.infer_v2 import IndexTTS2
from indextts.utils.checkpoint import read_safetensors
from tests.indextts.tiny_model import SAMPLE_RATE
from tests.training.tiny_run import make_run, open_tiny, tiny_recipe
from training.data.features import make_features
from training.data.pack import pack, unpack
from training.loop import Budget, load_weights
from training.steps.codec import heard_codes
from training.steps.common import all_items
from training.steps.emotion import make_emotions
from training.steps.export import export_model
from training.steps.gpt import GPTTask, train_gpt
from training.steps.import_model import TEXT_TABLE, make_caches, take_weights, take_words
from training.steps.s2mel import train_s2mel
from training.steps.vocoder import VocoderTask, train_vocoder
from training.vocabulary import vocabulary_file
from training.workspace import Workspace

STEPS = ("encoder", "codec", "style", "vocoder", "gpt", "s2mel")


@pytest.fixture(scope="module")
def exported(trained_run: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_model(trained_run, tiny_recipe(), folder)
    return folder


@pytest.fixture(scope="module")
def imported(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    work = make_run(tmp_path_factory.mktemp("imported") / "run")
    take_words(work, exported)
    take_weights(work, tiny_recipe(), exported)
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


def test_the_gain_of_emotion_clips_is_taken_back(trained_run: Workspace, tmp_path: Path) -> None:
    recipe, there = replace(tiny_recipe(), emotion_gain=1.6), Workspace(tmp_path / "run")
    export_model(trained_run, recipe, tmp_path)
    take_weights(there, recipe, tmp_path)
    key, learnt = "emo_layer.weight", load_weights(trained_run, "gpt")["conditioner"]
    exported = read_safetensors(tmp_path / "gpt.safetensors")
    torch.testing.assert_close(exported[key].float(), 1.6 * learnt[key], atol=1e-3, rtol=2e-3)
    taken = load_weights(there, "gpt")["conditioner"]
    for name in (key, "emo_layer.bias"):
        torch.testing.assert_close(taken[name], learnt[name], atol=1e-3, rtol=2e-3)


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


def test_on_another_machine_an_imported_run_needs_no_weights_of_its_own(
    imported: Workspace, exported: Path, tmp_path: Path
) -> None:
    """As in training/README.md: pack, unpack, features, import, and the trainings go on."""
    recipe, archive = tiny_recipe(), tmp_path / "run.tar"
    small = pack(imported, archive, 56, from_model=True) / 2**20
    with pytest.raises(ValueError, match="--from-model"):
        pack(imported, archive, small)
    assert small <= pack(imported, archive, 56) / 2**20 - 0.1
    assert pack(imported, archive, small + 0.01, from_model=True) == archive.stat().st_size
    there = Workspace(tmp_path / "there")
    unpack(there, archive)
    assert not there.weights("gpt").exists()
    make_features(there, recipe.sizes.model.s2mel.preprocess_params)
    take_weights(there, recipe, exported)
    make_caches(open_tiny(there))
    for train_part in (train_gpt, train_s2mel, train_vocoder):
        assert train_part(open_tiny(there), Budget())
    make_emotions(open_tiny(there))
    export_model(there, recipe, there.model)
    assert IndexTTS2(there.model, device="cpu").sample_rate == SAMPLE_RATE


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


def test_the_conditioner_can_be_held_while_the_gpt_learns(imported: Workspace) -> None:
    setting = open_tiny(imported)
    held = replace(setting, recipe=replace(setting.recipe, hold_conditioner=True))
    task, before = GPTTask(held), load_weights(imported, "gpt")
    task.begin(before)
    task.advance(0)
    after = task.weights()
    for key, value in before["conditioner"].items():
        torch.testing.assert_close(after["conditioner"][key], value, atol=0, rtol=0)
    assert any(not torch.equal(after["gpt"][key], value) for key, value in before["gpt"].items())
