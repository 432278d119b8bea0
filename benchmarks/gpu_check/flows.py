"""Flows from noise to mel, of random contents."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.gpu_check.bench import Bench
from indextts.stages.flow_matching import Flow, FlowGroup
from indextts.stages.networks import Networks


def begin_flow(
    bench: Bench,
    networks: Networks,
    frames: tuple[int, int],
    *,
    guidance: float = 0.7,
    seed: int = 0,
    steps: int | None = None,
) -> Flow:
    """A flow before its first step; the numbers are drawn on the CPU and so the same everywhere.

    Args:
        bench, networks: where and of which dimensions.
        frames: of prompt and speech.
        guidance: its rate.
        seed: of the numbers.
        steps: None for the configured number.
    """
    config = networks.config.s2mel
    random = torch.Generator().manual_seed(bench.seed + seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random).to(bench.device)

    prompt, total = frames[0], sum(frames)
    return networks.reference.acoustic.cfm.begin(
        drawn(total, config.DiT.content_dim),
        drawn(config.DiT.in_channels, prompt),
        drawn(config.style_encoder.dim),
        drawn(config.DiT.in_channels, total),
        steps=config.diffusion_steps if steps is None else steps,
        guidance_rate=guidance,
    )


def finished(group: FlowGroup) -> list[Tensor]:
    """Take all steps; the mels, [M, n] each."""
    for _ in range(group.flows[0].steps):
        group.step()
    group.part()
    return [flow.mel for flow in group.flows]
