"""Recorded decoding steps give the scores of free ones, over several sizes of the cache."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.compare import difference
from benchmarks.gpu_check.decoding import (
    count_replays,
    free_session,
    recording_session,
    tell,
)
from benchmarks.gpu_check.rows import Rows
from indextts.stages.recorder import GraphRecorder
from indextts.stages.semantic_gpt import SemanticGPT

# Relative to the root mean square of the scores: sums in another order are rounded differently.
TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2, "bf16": 3e-1}


def run(rows: Rows, bench: Bench) -> None:
    for precision in bench.precisions:
        model, tested = (bench.small(bench.device, precision).gpt for _ in range(2))
        bench.spoil(tested)
        for sequences, beams in ((1, 1), (1, 3), (3, 1), (3, 3)):
            name = f"{precision}, {sequences} x {beams}"
            with rows.guard(name), torch.inference_mode():
                _compare(rows, bench, name, (model, tested), (sequences, beams), precision)


def _compare(
    rows: Rows,
    bench: Bench,
    name: str,
    models: tuple[SemanticGPT, SemanticGPT],
    size: tuple[int, int],
    precision: str,
) -> None:
    sequences, beams = size
    random = torch.Generator().manual_seed(bench.seed)
    model, tested = models
    config = model.config
    prefixes = [
        (0.1 * torch.randn(20 + 7 * i, config.model_dim, generator=random)).to(
            bench.device, model.dtype
        )
        for i in range(sequences)
    ]
    recorder = GraphRecorder(bench.device)
    free = free_session(model, prefixes, beams)
    recorded = recording_session(tested, prefixes, beams, recorder)
    steps = bench.pick(560, 24)
    codes = config.start_mel_token
    shape = (steps + 1, sequences) if beams == 1 else (steps + 1, sequences, beams)
    tokens = torch.randint(0, codes, shape, generator=random)
    parents = _parents(steps + 1, sequences, beams, random).to(bench.device) if beams > 1 else None
    script = (tokens.to(bench.device), parents, config.number_mel_codes)
    (expected, follow), (found, follow_too) = tell(*script), tell(*script)
    worst, where = 0.0, 0
    with count_replays() as replays:
        for position in range(steps):
            expected = free.advance(expected, follow, None)
            found = recorded.advance(found, follow_too, None)
            apart = difference(found.scores[:, :codes], expected.scores[:, :codes]).largest
            if apart > worst:
                worst, where = apart, position
    limit = TOLERANCE[precision]
    note = f"worst of {steps} steps: {where}; {replays.count} replayed"
    rows.check(name, worst <= limit, note, worst)
    if bench.cuda:
        # All but the first few, and one for each recording.
        kept = recorder.enabled and replays.count >= steps - 10
        rows.check(f"{name}: recorded to the end", kept, f"{replays.count} replays")


def _parents(steps: int, sequences: int, beams: int, random: torch.Generator) -> Tensor:
    """int64 [steps, sequences, beams]: rows change places within their sequence."""
    return torch.randint(0, beams, (steps, sequences, beams), generator=random)
