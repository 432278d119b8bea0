"""DeepSpeed's kernels: whether they replace ours, agree with them, and are worth it."""

from __future__ import annotations

from functools import partial

import torch

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.floors import seconds_of
from benchmarks.gpu_check.rows import Rows
from indextts.sampling import SamplingOptions
from indextts.stages.decoding.decoder import CodeDecoder, open_deepspeed
from indextts.stages.seeds import generator


def run(rows: Rows, bench: Bench) -> None:
    gpt = bench.official(bench.daily).gpt
    # Raises where a block is not replaced, or where scores differ by more than rounding.
    open_deepspeed(gpt)
    rows.check("replaces the blocks and agrees", True)
    count = bench.pick(200, 8)
    prefix = torch.randn(60, gpt.config.model_dim, device=bench.device).to(gpt.dtype)
    for beams in (1, 3):
        for choice in ("auto", "off"):
            decoder = CodeDecoder(gpt, choice)
            if choice == "auto":
                rows.check(f"{beams} beams: in use", decoder.deepspeed_enabled)
            call = partial(
                decoder.generate,
                [prefix],
                [count],
                SamplingOptions(num_beams=beams),
                lambda: [generator(1, bench.device)],
            )
            with torch.inference_mode():
                seconds = seconds_of(bench, call)
            name = "DeepSpeed" if choice == "auto" else "our own"
            rows.figure(f"{name}, {beams} beams", count / seconds, "codes/s")
