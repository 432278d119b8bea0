from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.conftest import BUDGET
from tests.training.tiny_run import STEPS, open_tiny
from training.config import Schedule
from training.loop import Budget, Learner, Task, load_weights, train
from training.steps.codec import CodecTask
from training.steps.common import Setting
from training.steps.encoder import EncoderTask
from training.steps.gpt import GPTTask
from training.steps.s2mel import S2MelTask
from training.steps.style import StyleTask
from training.steps.vocoder import VocoderTask
from training.workspace import Workspace, read_rows

TASKS = (EncoderTask, CodecTask, VocoderTask, StyleTask, GPTTask, S2MelTask)


def stopping_after(calls: int) -> Callable[[], float]:
    """A clock that reaches the end of a one-minute budget with the step of that number."""
    times = iter([0.0] + [1.0] * (calls - 1) + [1000.0] * 100)
    return lambda: next(times)


@pytest.mark.parametrize("kind", TASKS)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    kind: Callable[[Setting], Task], trained_run: Workspace, tmp_path: Path
) -> None:
    setting = open_tiny(trained_run)
    name = kind(setting).name
    elsewhere = Workspace(tmp_path)
    broken = Budget(minutes=1, save_every=100, log_every=1, clock=stopping_after(4))
    assert not train(kind(setting), elsewhere, broken)
    saved = torch.load(elsewhere.state(name), weights_only=True)
    assert 0 < saved["steps"] < STEPS
    assert not elsewhere.weights(name).is_file()
    with pytest.raises(FileNotFoundError, match=f"run the step {name}"):
        load_weights(elsewhere, name)
    assert train(kind(setting), elsewhere, BUDGET)
    ours, whole = load_weights(elsewhere, name), load_weights(trained_run, name)
    assert ours.keys() == whole.keys()
    for part, tensors in whole.items():
        for key, value in tensors.items():
            assert torch.equal(ours[part][key], value), f"{part}.{key}"
    steps = [row["step"] for row in read_rows(elsewhere.curve(name)) if "valid" not in row]
    assert steps == list(range(1, STEPS + 1))


def test_curves_hold_training_and_held_out_figures(trained_run: Workspace) -> None:
    for name in ("encoder", "codec", "vocoder", "style", "gpt", "s2mel"):
        rows = list(read_rows(trained_run.curve(name)))
        valid = [row["valid"] for row in rows if "valid" in row]
        assert len(valid) == STEPS // 3
        for row in rows:
            figures = row.get("valid", row)
            assert all(abs(value) < 1e6 for value in figures.values()), f"{name}: {row}"


def test_a_finished_task_is_not_trained_again(trained_run: Workspace) -> None:
    before = trained_run.weights("style").read_bytes()
    count = len(list(read_rows(trained_run.curve("style"))))
    assert train(StyleTask(open_tiny(trained_run)), trained_run, BUDGET)
    assert trained_run.weights("style").read_bytes() == before
    assert len(list(read_rows(trained_run.curve("style")))) == count


def test_the_rate_warms_up_and_falls_to_a_twentieth() -> None:
    learner = Learner(nn.ModuleDict({"a": nn.Linear(2, 2)}), Schedule(100, 1, 1.0, warmup=10))
    rates = [learner.rate(i) for i in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.05)
    assert sorted(rates[10:], reverse=True) == rates[10:]


def test_the_average_lags_behind_the_weights() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    learner = Learner(nn.ModuleDict({"a": layer}), Schedule(9, 1, 0.1, warmup=0, average=0.5))
    learner.update(layer.weight.sum(), 0)
    now = layer.weight.item()
    mean = learner.weights()["a"]["weight"].item()
    assert now < mean < 1.0


def test_held_weights_stay_where_they_are_held_and_so_does_their_mean() -> None:
    def even(layer: nn.Linear) -> None:
        with torch.no_grad():
            layer.weight.copy_(layer.weight.mean().expand_as(layer.weight))

    layer = nn.Linear(2, 2)
    learner = Learner(
        nn.ModuleDict({"a": layer}),
        Schedule(9, 1, 0.1, warmup=0, average=0.5),
        constrain=lambda: even(layer),
    )
    for index in range(3):
        learner.update(layer(torch.tensor([[1.0, -2.0]])).square().sum(), index)
        for weight in (layer.weight, learner.weights()["a"]["weight"]):
            torch.testing.assert_close(weight, weight.mean().expand_as(weight))
