from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.tiny_run import make_run, open_tiny
from training.config import Recipe
from training.loop import Budget
from training.steps import codec, encoder, gpt, s2mel, style, vocoder
from training.steps.common import Setting
from training.steps.emotion import make_emotions
from training.workspace import Workspace

BUDGET = Budget(save_every=100, validate_every=3, log_every=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that waits for a training run is slow."""
    for item in items:
        if {"fresh_run", "trained_run"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def fresh_run(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Speech and features; tests only read it."""
    return make_run(tmp_path_factory.mktemp("fresh") / "run")


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same, with all parts trained for a few steps."""
    work = make_run(tmp_path_factory.mktemp("trained") / "run")
    setting = open_tiny(work)
    for step in (
        encoder.train_encoder,
        codec.train_codec,
        style.train_style,
        gpt.train_gpt,
        s2mel.train_s2mel,
        vocoder.train_vocoder,
    ):
        assert step(setting, BUDGET)
    make_emotions(setting)
    return work


@pytest.fixture
def setting(trained_run: Workspace) -> Setting:
    return open_tiny(trained_run)


@pytest.fixture
def recipe(setting: Setting) -> Recipe:
    return setting.recipe


@pytest.fixture
def model_folder(trained_run: Workspace) -> Path:
    return trained_run.model
