"""Audio seconds made a second when segments are decoded together."""

from __future__ import annotations

import time

from benchmarks.gpu_check.bench import Bench, engine_of, load_engine
from benchmarks.gpu_check.rows import Rows
from benchmarks.gpu_check.workloads import Workload, request_of
from indextts.infer_v2 import IndexTTS2


def run(rows: Rows, bench: Bench) -> None:
    engine = _engine(bench)
    for count in bench.pick((1, 4, 8, 16), (1, 3)):
        with rows.guard(f"{count} together"):
            _measure(rows, bench, engine, count)


def _engine(bench: Bench) -> IndexTTS2:
    if bench.model_dir is None:
        return engine_of(bench.official(bench.daily))
    return load_engine(bench, bench.model_dir, bench.daily)


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
