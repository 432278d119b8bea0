"""Loading, the first request, and the real-time factor of a single caller, stage by stage."""

from __future__ import annotations

import time
from dataclasses import fields

from benchmarks.gpu_check.bench import Bench, engine_of, load_engine
from benchmarks.gpu_check.decoding import count_replays
from benchmarks.gpu_check.floors import bytes_of, measure_floors, tf32
from benchmarks.gpu_check.rows import Rows
from benchmarks.gpu_check.workloads import Workload, request_of, workloads
from indextts.infer_v2 import IndexTTS2
from indextts.request import StageSeconds, Synthesis, SynthesisRequest
from indextts.stages.networks import Networks


def run(rows: Rows, bench: Bench) -> None:
    engines = Engines(rows, bench)
    short, medium, long = workloads(bench)
    daily = bench.daily
    with rows.guard(daily):
        _measure(rows, bench, engines, daily, (short, medium, long), first=True)
    with rows.guard(f"{daily}, TF32"):
        _measure(rows, bench, engines, daily, (medium, long), fast=True, label="TF32")
    with rows.guard(f"{daily}, graphs off"):
        _measure(rows, bench, engines, daily, (short, medium), graphs=False, label="graphs off")
    for precision in bench.precisions:
        if precision != daily:
            with rows.guard(precision):
                _measure(rows, bench, engines, precision, (medium,))


def _measure(
    rows: Rows,
    bench: Bench,
    engines: Engines,
    precision: str,
    works: tuple[Workload, ...],
    *,
    graphs: bool = True,
    fast: bool = False,
    first: bool = False,
    label: str = "",
) -> None:
    """Open an engine, speak, on demand in TF32, and let go of it before the next one is opened."""
    engine = engines.open(precision, graphs=graphs)
    # Behind the loading, which sets the arithmetic of the whole process.
    with tf32(fast):
        if first:
            with rows.guard("first request"):
                _first(rows, engine, request_of(bench, works[0]))
        for work in works:
            _rtf(rows, bench, engine, work, label)


class Engines:
    """Opens one engine after the other, each in the place of the one before."""

    def __init__(self, rows: Rows, bench: Bench) -> None:
        self._rows, self._bench = rows, bench
        self._networks: Networks | None = None
        self._precision = ""

    def open(self, precision: str, *, graphs: bool) -> IndexTTS2:
        """An engine in a precision; says how long loading took."""
        bench = self._bench
        start = time.perf_counter()
        if bench.model_dir is not None:
            bench.settle()
            engine = load_engine(bench, bench.model_dir, precision, graphs=graphs)
            bench.sync()
            self._rows.figure(f"load, {precision}", time.perf_counter() - start, "s")
            return engine
        if self._networks is None:
            self._networks = bench.official(precision)
            bench.sync()
            self._loaded(self._networks, time.perf_counter() - start)
        elif precision != self._precision:
            self._networks = bench.in_precision(self._networks, precision)
        self._precision = precision
        bench.settle()
        return engine_of(self._networks, graphs=graphs)

    def _loaded(self, networks: Networks, seconds: float) -> None:
        """Stand-in weights are not loaded but made; loading cannot beat the upload."""
        reference = networks.reference
        modules = (
            networks.gpt,
            networks.vocoder.model,
            networks.codec,
            *(reference.features.encoder, reference.style.encoder),
            *(reference.conditioner, reference.acoustic),
        )
        moved = sum(bytes_of(module) for module in modules)
        upload = measure_floors(self._bench).upload
        self._rows.figure(
            "stand-in weights", seconds, "s", moved / upload,
            f"made on the device; the floor is the upload of {moved / 2**30:.2f} GiB",
        )  # fmt: skip


def _first(rows: Rows, engine: IndexTTS2, request: SynthesisRequest) -> None:
    """Of the process: context, kernels and plans are loaded with it; then the same again."""
    for name in ("first request", "the same again", "once more"):
        start = time.perf_counter()
        result = engine.synthesize(request)
        seconds = time.perf_counter() - start
        rows.figure(name, seconds, "s", note=_stages(result))


def _rtf(rows: Rows, bench: Bench, engine: IndexTTS2, work: Workload, label: str) -> None:
    name = ", ".join(filter(None, (f"RTF {work.name}", engine.precision, label)))
    with rows.guard(name):
        request = request_of(bench, work)
        engine.synthesize(request)
        with count_replays() as replays:
            start = time.perf_counter()
            result = engine.synthesize(request)
            seconds = time.perf_counter() - start
        codes = sum(len(segment.codes) for segment in result.segments)
        note = f"{result.audio_seconds:.1f} s of audio; {_stages(result)}; {replays.count} replays"
        rows.figure(name, seconds / result.audio_seconds, "", note=note)
        rows.figure(f"{name}: GPT", codes / result.seconds.gpt, "codes/s")


def _stages(result: Synthesis) -> str:
    seconds = result.seconds
    used = [(f.name, getattr(seconds, f.name)) for f in fields(StageSeconds)]
    return ", ".join(f"{name} {value:.3f}" for name, value in used if value)
