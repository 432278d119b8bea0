"""Audio seconds made a second when segments are decoded together, of one text and of many."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.gpu_check.bench import Bench, engine_of, load_engine, speech
from benchmarks.gpu_check.rows import Rows
from benchmarks.gpu_check.workloads import Workload, request_of
from benchmarks.load_requests import make_requests
from benchmarks.load_targets import EngineTarget, Heard
from indextts.infer_v2 import IndexTTS2

SLOTS = 32


def run(rows: Rows, bench: Bench) -> None:
    engine = _engine(bench)
    for count in bench.pick((1, 4, 8, 16), (1, 3)):
        with rows.guard(f"{count} together"):
            _measure(rows, bench, engine, count)
    with rows.guard("requests"):
        _requests(rows, bench, engine)


def _engine(bench: Bench) -> IndexTTS2:
    slots = bench.pick(SLOTS, 3)
    if bench.model_dir is None:
        return engine_of(bench.official(bench.daily), max_batch=slots)
    return load_engine(bench, bench.model_dir, bench.daily, max_batch=slots)


def _measure(rows: Rows, bench: Bench, engine: IndexTTS2, count: int) -> None:
    """So many segments of 5 s as one group, of a clip that is known."""
    work = Workload("batch", count, bench.pick(30, 6), bench.pick(250, 12))
    request = request_of(bench, work, together=count)
    engine.synthesize(request)
    bench.sync()
    start = time.perf_counter()
    result = engine.synthesize(request)
    seconds = time.perf_counter() - start
    spent = result.seconds
    rows.figure(
        f"{count} together",
        result.audio_seconds / seconds,
        "audio s/s",
        note=f"{len(result.segments)} segments, {result.audio_seconds:.1f} s of audio; "
        f"gpt {spent.gpt:.2f}, s2mel {spent.s2mel:.2f}, vocoder {spent.vocoder:.2f} s",
    )


def _requests(rows: Rows, bench: Bench, engine: IndexTTS2) -> None:
    """Requests of mixed lengths, voices and beams; in company each gets what it gets alone."""
    clips = [speech(bench.seed + number, bench.pick(5.0, 1.0)) for number in range(4)]
    target = EngineTarget(engine, clips)
    load = make_requests(bench.pick(32, 4), range(4), (), bench.pick(120, 10))
    alone: dict[int, Heard] = {}
    for clients in bench.pick((1, 4, 16, 32), (1, 3)):
        own = load[: bench.pick(max(8, clients), 4)]
        if bench.cuda:
            torch.cuda.reset_peak_memory_stats(bench.device)
        heard, work = target.run(own, clients, None)
        alone = alone or {one.number: one for one in heard}
        peak = torch.cuda.max_memory_allocated(bench.device) / 2**30 if bench.cuda else 0.0
        rows.figure(
            f"requests, {clients} clients",
            sum(one.audio_seconds for one in heard) / work.seconds,
            "audio s/s",
            note=f"{work.occupancy:.1f} sequences in a step, padding {work.padding:.0%}, p50 "
            f"{np.percentile([one.total for one in heard], 50):.2f} s, peak {peak:.2f} GiB; "
            f"{_alike(heard, alone)}",
        )


def _alike(heard: Sequence[Heard], alone: dict[int, Heard]) -> str:
    known = [one for one in heard if one.number in alone]
    same = sum(one.codes == alone[one.number].codes for one in known)
    return f"codes as alone in {same} of {len(known)}"
