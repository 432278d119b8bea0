"""Segments that are decoded together: the time of a step and the memory, free and recorded, by the
number of slots."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.decoding import count_replays
from benchmarks.gpu_check.rows import Rows
from indextts.sampling import SamplingOptions
from indextts.stages.decoding.batch import DecodeBatch
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.decoding.lane import DecodeTask
from indextts.stages.recorder import FIRST_RECORDED
from indextts.stages.seeds import generator
from indextts.stages.semantic_gpt import SemanticGPT

# Rows of a prefix: the conditioning, and a sentence.
PREFIX = 80
# Steps before the clock runs; a recording is made among them.
WARM_STEPS = FIRST_RECORDED + 4


@dataclass(frozen=True)
class Decoded:
    """A batch of one size.

    Attributes:
        step_ms: of a step.
        peak, kept: bytes of tensors, at most and behind the steps.
        reserved: bytes of the device behind the steps, with the pools of recordings.
        replays: of recordings, while the clock ran.
    """

    step_ms: float
    peak: int
    kept: int
    reserved: int
    replays: int


def run(rows: Rows, bench: Bench) -> None:
    model = bench.official(bench.daily).gpt
    steps = bench.pick(64, 4)
    for beams in bench.pick((1, 3), (3,)):
        for slots in bench.pick((1, 2, 4, 8, 16, 32), (2,)):
            name = f"{slots} x {beams}"
            with rows.guard(name), torch.inference_mode():
                free = _decode(bench, model, slots, beams, steps, "off")
                recorded = _decode(bench, model, slots, beams, steps, "auto")
                _tell(rows, bench, name, slots, free, recorded)
                if bench.cuda:
                    note = f"{recorded.replays} of {steps} steps"
                    rows.check(f"{name}: recorded", recorded.replays == steps, note)


def _tell(
    rows: Rows, bench: Bench, name: str, slots: int, free: Decoded, recorded: Decoded
) -> None:
    for kind, found in (("free", free), ("recorded", recorded)):
        codes = f"{1000 * slots / found.step_ms:.0f} codes/s"
        rows.figure(f"{name}, {kind}", found.step_ms, "ms a step", note=codes)
    if not bench.cuda:
        return
    note = (
        f"{free.kept / slots / 2**20:.1f} MiB a slot; "
        f"a recording takes {(recorded.reserved - free.reserved) / 2**20:.0f} MiB of the device"
    )
    rows.figure(f"{name}, memory beside the weights", recorded.peak / 2**20, "MiB", note=note)


def _decode(
    bench: Bench, model: SemanticGPT, slots: int, beams: int, steps: int, graphs: str
) -> Decoded:
    """Steps of a full batch, whose sequences have prefixes of several lengths."""
    bench.settle()
    allocated, reserved, _ = _memory(bench)
    if bench.cuda:
        torch.cuda.reset_peak_memory_stats(bench.device)
    batch = CodeDecoder(model, "off", graphs).open_batch()
    for number in range(slots):
        batch.join(_task(bench, model, number, beams, WARM_STEPS + steps + 1))
    for _ in range(WARM_STEPS):
        batch.step()
    seconds, replays = _clock(bench, batch, steps)
    if len(batch.slots) != slots:
        raise RuntimeError(f"{slots - len(batch.slots)} sequences have stopped")
    kept, held, peak = _memory(bench)
    return Decoded(
        step_ms=1000 * seconds / steps,
        peak=peak - allocated,
        kept=kept - allocated,
        reserved=held - reserved,
        replays=replays,
    )


def _clock(bench: Bench, batch: DecodeBatch, steps: int) -> tuple[float, int]:
    """Seconds of so many steps, and how many recordings were replayed in them."""
    bench.sync()
    with count_replays() as replays:
        start = time.perf_counter()
        for _ in range(steps):
            batch.step()
        bench.sync()
        return time.perf_counter() - start, replays.count


def _task(bench: Bench, model: SemanticGPT, number: int, beams: int, limit: int) -> DecodeTask:
    random = torch.Generator().manual_seed(bench.seed + number)
    prefix = 0.1 * torch.randn(PREFIX + 5 * (number % 8), model.config.model_dim, generator=random)
    return DecodeTask(
        prefix.to(bench.device, model.dtype),
        limit,
        SamplingOptions(num_beams=beams),
        generator(number, bench.device),
    )


def _memory(bench: Bench) -> tuple[int, int, int]:
    """Bytes of tensors, of the device, and the peak of the former."""
    if not bench.cuda:
        return 0, 0, 0
    return (
        torch.cuda.memory_allocated(bench.device),
        torch.cuda.memory_reserved(bench.device),
        torch.cuda.max_memory_allocated(bench.device),
    )
