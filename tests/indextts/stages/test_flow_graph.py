"""Recorded steps of the flow make the mels of free ones, on a pretend GPU and, where there is one,
a real."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from indextts.stages import flow_graph
from indextts.stages.acoustic import AcousticModel
from indextts.stages.flow_graph import FRAME_STEP, FlowGroups, GraphedFlowGroup, StaticFlowStep
from indextts.stages.flow_matching import Flow, FlowGroup
from indextts.stages.recorder import FIRST_RECORDED
from tests.indextts.goldens import assert_close
from tests.indextts.layers.s2mel_models import small_model
from tests.indextts.pretend_cuda import PretendCuda
from tests.indextts.pretend_streams import Graph

pytestmark = pytest.mark.slow

STEPS = FIRST_RECORDED + 3
TOLERANCE = 1e-4


@pytest.fixture
def gpu() -> Iterator[PretendCuda]:
    with PretendCuda(devices=2) as pretend, torch.inference_mode():
        yield pretend


@pytest.fixture(params=["pretend", pytest.param("real", marks=pytest.mark.cuda)])
def model(request: pytest.FixtureRequest) -> Iterator[AcousticModel]:
    if request.param == "real":
        with torch.inference_mode():
            yield small_model().to(torch.device("cuda", torch.cuda.device_count() - 1))
    else:
        # The second GPU, while the first is the current one.
        with PretendCuda(devices=2), torch.inference_mode():
            yield small_model().to("cuda:1")


def begin(
    model: AcousticModel, frames: int, seed: int = 0, prompt: int = 5, guidance: float = 0.7
) -> Flow:
    random = torch.Generator("cpu").manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, device="cpu").to(model.device)

    return model.cfm.begin(
        drawn(frames, 16), drawn(8, prompt), drawn(6), drawn(8, frames),
        steps=STEPS, guidance_rate=guidance,
    )  # fmt: skip


def finished(group: FlowGroup) -> list[Tensor]:
    for _ in range(STEPS):
        group.step()
    group.part()
    return [flow.x.cpu() for flow in group.flows]


def alone(flow: Flow, model: AcousticModel) -> Tensor:
    """The same flow by free steps without padding, from the start."""
    flow.start_over()
    (mel,) = finished(FlowGroup(model.cfm.estimator, [flow]))
    return mel


def recordings(groups: FlowGroups) -> int:
    assert groups._recordings is not None
    return len(groups._recordings.all())


def check(groups: FlowGroups, model: AcousticModel, flows: Sequence[Flow]) -> None:
    for mel, flow in zip(finished(groups.open(flows)), flows, strict=True):
        assert_close(mel, alone(flow, model), TOLERANCE)


def test_longer_rows_leave_the_flows_as_they_are() -> None:
    """Also one that fits a multiple exactly, and rows shorter than the convolutions reach."""
    model = small_model()
    for lengths in ([64], [9, 30], [6, 7, 8]):
        flows = [begin(model, frames, seed) for seed, frames in enumerate(lengths)]
        group = FlowGroup(model.cfm.estimator, flows, FRAME_STEP)
        assert group.frames == (128 if lengths == [64] else 64)
        for mel, flow in zip(finished(group), flows, strict=True):
            assert_close(mel, alone(flow, model), TOLERANCE)


def test_recorded_steps_make_the_mels_of_free_ones(model: AcousticModel) -> None:
    groups = FlowGroups(model)
    check(groups, model, [begin(model, 20)])
    assert recordings(groups) == 1
    # Other lengths, clips and voices have the same shape.
    check(groups, model, [begin(model, 41, seed=1, prompt=11)])
    check(groups, model, [begin(model, FRAME_STEP - 1, seed=2, prompt=3)])
    assert recordings(groups) == 1
    check(groups, model, [begin(model, FRAME_STEP, seed=3)])
    # Long prompts, of which the same number of frames is left out.
    for frames, prompt in ((170, 150), (190, 2 * FRAME_STEP)):
        check(groups, model, [begin(model, frames, seed=prompt, prompt=prompt)])
    check(groups, model, [begin(model, 20, seed=4, guidance=0.0)])
    check(groups, model, [begin(model, 20 + seed, seed=seed) for seed in range(3)])
    assert recordings(groups) == 5
    assert groups.recorded


def test_groups_of_one_shape_take_turns(model: AcousticModel) -> None:
    groups = FlowGroups(model)
    flows = [begin(model, 20 + 9 * seed, seed) for seed in range(2)]
    opened = [groups.open([flow]) for flow in flows]
    for _ in range(STEPS):
        for group in opened:
            group.step()
    for group, flow in zip(opened, flows, strict=True):
        group.part()
        mel = flow.x.cpu()
        assert_close(mel, alone(flow, model), TOLERANCE)
    assert recordings(groups) == 1


def fail_to_record(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    """In the middle of a recording something cannot be recorded, or an exception is raised."""
    step = flow_graph.euler_step

    def failing(*inputs: Any) -> Tensor:
        result = step(*inputs)
        if torch.cuda.is_current_stream_capturing():
            if error is not None:
                raise error
            result.sum().item()
        return result

    monkeypatch.setattr(flow_graph, "euler_step", failing)


def replay_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording is of a step with another end."""
    run = StaticFlowStep.run

    def other_run(self: StaticFlowStep) -> None:
        run(self)
        if torch.cuda.is_current_stream_capturing():
            self.result.add_(1.0)

    monkeypatch.setattr(StaticFlowStep, "run", other_run)


def replay_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a step is recorded on another device's stream."""
    monkeypatch.setattr(Graph, "replay", lambda self: None)


@pytest.mark.parametrize("breakage", [fail_to_record, replay_wrongly, replay_nothing])
def test_a_recording_that_fails_changes_nothing(
    gpu: PretendCuda,
    breakage: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = small_model().to("cuda:1")
    groups = FlowGroups(model)
    before = torch.cuda.current_stream("cuda:1"), torch.cuda.current_device()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        breakage(patch)
        mels = [finished(groups.open([begin(model, 20, seed)])) for seed in range(2)]
    for seed, (mel,) in enumerate(mels):
        assert_close(mel, alone(begin(model, 20, seed), model), TOLERANCE)
    assert not groups.recorded
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "CUDA graphs are not used any more for steps of the flow"
    ]
    assert (torch.cuda.current_stream("cuda:1"), torch.cuda.current_device()) == before
    assert type(groups.open([begin(model, 20)])) is FlowGroup


def test_out_of_memory_passes_and_recordings_stay(
    model: AcousticModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = FlowGroups(model)
    with monkeypatch.context() as patch:
        fail_to_record(patch, torch.OutOfMemoryError("CUDA out of memory"))
        with pytest.raises(torch.OutOfMemoryError):
            finished(groups.open([begin(model, 20)]))
    assert groups.recorded
    check(groups, model, [begin(model, 20)])
    assert recordings(groups) == 1
    groups.forget()
    assert recordings(groups) == 0


def test_steps_wait_for_the_device_once_a_recording(gpu: PretendCuda) -> None:
    model = small_model().to("cuda:1")
    groups = FlowGroups(model)
    opened = [groups.open([begin(model, 20 + seed, seed)]) for seed in range(2)]
    gpu.waits.clear()
    for group in opened:
        for _ in range(STEPS):
            group.step()
    assert {place.rsplit(" ", 1)[1] for place in gpu.waits} == {"try_replay"}
    assert sum(gpu.waits.values()) == 1
    assert not gpu.device_waits
    assert gpu.replays == 2 * STEPS - FIRST_RECORDED


def test_few_recordings_are_kept_and_none_of_large_steps(
    gpu: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_graph, "MOST_RECORDINGS", 2)
    monkeypatch.setattr(flow_graph, "MOST_FRAMES", 512)
    model = small_model().to("cuda:1")
    groups = FlowGroups(model)
    for frames in (10, 70, 140):
        finished(groups.open([begin(model, frames)]))
    assert recordings(groups) == 2
    assert isinstance(groups.open([begin(model, 255)]), GraphedFlowGroup)
    assert (large := groups.open([begin(model, 256)])).frames == 256
    assert type(large) is FlowGroup


@pytest.mark.parametrize("setting", ["auto", "off"])
def test_without_cuda_or_by_the_setting_nothing_is_recorded(gpu: PretendCuda, setting: str) -> None:
    model = small_model().to("cuda:1" if setting == "off" else "cpu")
    groups = FlowGroups(model, setting)
    assert not groups.recorded
    group = groups.open([begin(model, 20)])
    assert (type(group), group.frames) == (FlowGroup, 20)
    groups.forget()
