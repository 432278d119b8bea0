"""Steps of the flow as CUDA graphs: one launch instead of some four hundred.

A step of a short mel is bound by the launching of its kernels.  A recording serves one shape
only, so lengths are rounded up and prompts down: flows of nearly the same lengths, in whatever
voice, have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from indextts.layers.dit import DiT
from indextts.stages.acoustic import AcousticModel
from indextts.stages.flow_matching import (
    Flow,
    FlowConstants,
    FlowGroup,
    euler_step,
    rounded_frames,
)
from indextts.stages.recorder import GraphRecorder, Recordings
from indextts.utils.tensor_trees import cloned, copy_tensors, layout

# Frames are a multiple of this: some 3 % of a usual step is spent on the padding.
FRAME_STEP = 64
# Frames of all rows together.  By estimate the kernels of larger steps take longer than their
# launches, so that a recording would gain nothing.
MOST_FRAMES = 4096
# Recordings that are kept; each holds up to 8 MB of constants.
MOST_RECORDINGS = 16
# Replayed and free steps differ by rounding, if at all.
_TOLERANCE = 1e-2


class StaticFlowStep:
    """A step whose inputs and output stay where they are.

    Args:
        estimator: of the velocity.
        x, times, lasting, constants: of the first step; give the shapes.
    """

    def __init__(
        self,
        estimator: DiT,
        x: Tensor,
        times: Tensor,
        lasting: Tensor,
        constants: FlowConstants,
    ) -> None:
        self._estimator = estimator
        self._changing = cloned((x, times, lasting))
        self._constants = cloned(constants)
        self._holds: object = None
        self.result = torch.zeros_like(constants.keep.expand(-1, x.shape[1], -1))

    def load(
        self, x: Tensor, times: Tensor, lasting: Tensor, constants: FlowConstants, group: object
    ) -> None:
        """Put the inputs of the next step into their places; `group` is whose constants it has."""
        copy_tensors(self._changing, (x, times, lasting))
        if self._holds is not group:
            copy_tensors(self._constants, constants)
            self._holds = group

    def run(self) -> None:
        """The step itself; also what is recorded."""
        self.result.copy_(euler_step(self._estimator, *self._changing, self._constants))

    def snapshot(self) -> list[Tensor]:
        """Nothing: the inputs stay as they are."""
        return []

    def go_back(self, before: Sequence[Tensor]) -> None:
        """Leave no result, which a recording of nothing would pass off as its own."""
        self.result.fill_(torch.nan)

    def try_replay(self, graph: torch.cuda.CUDAGraph, before: Sequence[Tensor]) -> str:
        """Repeat the step just run, now by its recording; the problem, or an empty text."""
        expected = self.result.clone()
        self.go_back(before)
        graph.replay()
        # A model may be at fault for what is not finite.
        close = torch.isclose(
            self.result, expected, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True
        )
        return "" if bool(close.all()) else "a replayed step gave another mel"


class GraphedFlowGroup(FlowGroup):
    """Flows whose steps are recorded; free steps wherever recording fails.

    Args:
        estimator, flows: see :class:`FlowGroup`.
        recordings: of the estimator's steps.
    """

    def __init__(
        self, estimator: DiT, flows: Sequence[Flow], recordings: Recordings[StaticFlowStep]
    ) -> None:
        super().__init__(estimator, flows, FRAME_STEP)
        self._recordings = recordings
        self._layout = layout((self._x, self._constants))
        # In place of the group itself, which a recording would keep alive.
        self._token = object()

    def _advance(
        self, x: Tensor, times: Tensor, lasting: Tensor, constants: FlowConstants
    ) -> Tensor:
        step = (x, times, lasting, constants)
        recorded = None
        if self._recordings.recorder.enabled:
            make = partial(StaticFlowStep, self.estimator, *step)
            recorded = self._recordings.find(self._layout, make)
        if recorded is None:
            return super()._advance(*step)
        recorded.work.load(*step, self._token)
        recorded.run()
        return recorded.work.result


class FlowGroups:
    """Opens groups of flows whose steps are recorded, where that is of use.

    Args:
        acoustic: the model.
        cuda_graphs: "auto" records steps on CUDA; "off" never.
    """

    def __init__(self, acoustic: AcousticModel, cuda_graphs: str = "auto") -> None:
        self._estimator = acoustic.cfm.estimator
        self._recordings: Recordings[StaticFlowStep] | None = None
        if acoustic.device.type == "cuda" and cuda_graphs != "off":
            recorder = GraphRecorder(acoustic.device, "steps of the flow")
            self._recordings = Recordings(recorder, MOST_RECORDINGS)

    @property
    def recorded(self) -> bool:
        """Whether steps are recorded; turns False for good when that fails."""
        return self._recordings is not None and self._recordings.recorder.enabled

    def open(self, flows: Sequence[Flow]) -> FlowGroup:
        """Flows that take their steps together, all guided or none of them."""
        rows = len(flows) * (2 if flows[0].guided else 1)
        if self._recordings is None or not self.recorded:
            return FlowGroup(self._estimator, flows)
        if rows * rounded_frames(flows, FRAME_STEP) > MOST_FRAMES:
            return FlowGroup(self._estimator, flows)
        return GraphedFlowGroup(self._estimator, flows, self._recordings)

    def forget(self) -> None:
        """Drop what has been recorded."""
        if self._recordings is not None:
            self._recordings.clear()
