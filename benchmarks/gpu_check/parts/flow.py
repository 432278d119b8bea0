"""Recorded steps of the flow, and the vocoder's fused activations, beside the plain forms."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.compare import difference
from benchmarks.gpu_check.decoding import count_replays
from benchmarks.gpu_check.floors import tf32
from benchmarks.gpu_check.flows import begin_flow, finished
from benchmarks.gpu_check.parts.stages import LIMITS
from benchmarks.gpu_check.rows import Rows
from indextts.layers.fused_snake import (
    FusedActivationUnavailableError,
    open_fused_activation,
    set_activation,
)
from indextts.stages.flow_graph import FlowGroups
from indextts.stages.flow_matching import Flow, FlowGroup
from indextts.stages.networks import Networks
from indextts.stages.recorder import FIRST_RECORDED


@dataclass(frozen=True)
class Company:
    """Flows that take their steps together.

    Attributes:
        prompts, speech: frames of each.
        guidance: of all.
    """

    prompts: tuple[int, ...]
    speech: tuple[int, ...]
    guidance: float = 0.7

    def begin(self, bench: Bench, networks: Networks) -> list[Flow]:
        """The same flows in every call."""
        return [
            begin_flow(bench, networks, frames, guidance=self.guidance, seed=seed)
            for seed, frames in enumerate(zip(self.prompts, self.speech, strict=True))
        ]

    def __str__(self) -> str:
        return f"{len(self.speech)} of {max(self.speech)} frames behind {max(self.prompts)}"


# Prompts below and above a multiple; the second has the shapes of the first.
ALONE = (Company((250,), (170,)), Company((240,), (150,)))
OTHERS = (Company((120,), (60,), 0.0), Company((250, 300, 200), (300, 270, 320)))
DRY = (Company((5,), (9,)), Company((4, 6), (7, 8)), Company((6,), (12,)))


def run(rows: Rows, bench: Bench) -> None:
    plain, tested = (bench.small(bench.device) for _ in range(2))
    set_activation(plain.vocoder.model, None)
    for module in (tested.reference.acoustic, tested.vocoder.model):
        bench.spoil(module)
    with torch.inference_mode():
        for kind in ("fp32", "tf32"):
            groups = FlowGroups(tested.reference.acoustic)
            for company in bench.pick((*ALONE, *OTHERS), DRY):
                name = f"{kind}, {company}"
                with rows.guard(name), tf32(kind == "tf32"):
                    _steps(rows, bench, name, company, plain, groups)
            if bench.cuda:
                rows.check(f"{kind}: recorded to the end", groups.recorded)
        with rows.guard("fused activations"):
            _activations(rows, bench, plain, tested)


def _steps(
    rows: Rows, bench: Bench, name: str, company: Company, plain: Networks, groups: FlowGroups
) -> None:
    """Mels of free steps without padding, and of recorded ones."""
    estimator = plain.reference.acoustic.cfm.estimator
    expected = finished(FlowGroup(estimator, company.begin(bench, plain)))
    with count_replays() as replays:
        found = finished(groups.open(company.begin(bench, plain)))
    limit = LIMITS[name[:4]]
    apart = [difference(a, b) for a, b in zip(found, expected, strict=True)]
    passed = all(one.largest <= limit.largest and one.mean <= limit.mean for one in apart)
    worst = max(apart, key=lambda one: one.largest)
    rows.check(name, passed, f"{worst}; {replays.count} replayed", worst.mean)
    if bench.cuda:
        steps = plain.config.s2mel.diffusion_steps
        rows.check(f"{name}: recorded", replays.count >= steps - FIRST_RECORDED)


def _activations(rows: Rows, bench: Bench, plain: Networks, tested: Networks) -> None:
    """The same sound, of one window and of several."""
    if not bench.cuda:
        rows.skip("fused activations", "there is no CUDA")
        return
    try:
        set_activation(tested.vocoder.model, open_fused_activation(bench.device))
    except FusedActivationUnavailableError as reason:
        rows.skip("fused activations", str(reason))
        return
    for frames in bench.pick((1, 100, 700), (9,)):
        mel = torch.randn(plain.config.s2mel.DiT.in_channels, frames, device=bench.device)
        apart = difference(tested.vocoder.waveform(mel), plain.vocoder.waveform(mel))
        limit = LIMITS["fp32"]
        passed = apart.largest <= limit.largest and apart.mean <= limit.mean
        rows.check(f"fused activations, {frames} frames", passed, str(apart), apart.mean)
