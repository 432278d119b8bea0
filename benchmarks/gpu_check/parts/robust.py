"""Threads that share an engine, and a recording that fails."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_check.bench import Bench, engine_of, speech
from benchmarks.gpu_check.compare import difference
from benchmarks.gpu_check.rows import Rows
from indextts.infer_v2 import IndexTTS2
from indextts.request import Synthesis, SynthesisRequest
from indextts.sampling import SamplingOptions
from indextts.stages.semantic_gpt import SemanticGPT

THREADS = 3
# Kernels and so the order of sums may differ between two runs; codes may not.
LIMIT = 1e-2


def run(rows: Rows, bench: Bench) -> None:
    with rows.guard("threads"):
        _threads(rows, bench)
    with rows.guard("a recording that fails"):
        _failing_recording(rows, bench)
    if bench.cuda and torch.cuda.device_count() > 1:
        with rows.guard("another card"):
            _another_card(rows, bench)
    else:
        rows.skip("another card", "there is one card only")


def _request(bench: Bench, seed: int) -> SynthesisRequest:
    words = "one two three four five six seven eight nine ten"
    return SynthesisRequest(
        f"{words}\n{words}",
        speech(seed, 2.0),
        seed=seed,
        sampling=SamplingOptions(max_mel_tokens=bench.pick(150, 24)),
    )


def _threads(rows: Rows, bench: Bench) -> None:
    engine = engine_of(bench.small(bench.device, bench.daily))
    requests = [_request(bench, seed) for seed in range(2 * THREADS)]
    alone = [engine.synthesize(request) for request in requests]
    # Clips are encoded again while others decode.
    engine.release_memory()
    bench.spoil(engine.networks.gpt)
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(engine.synthesize, requests))
    same = sum(_same(a, b) for a, b in zip(together, alone, strict=True))
    note = f"{same} of {len(requests)} requests as when they ran alone"
    rows.check(f"{THREADS} threads", same == len(requests), note)


def _same(found: Synthesis, expected: Synthesis) -> bool:
    """The same codes, and nearly the same sound."""
    codes = [[s.codes.tolist() for s in run.segments] for run in (found, expected)]
    if codes[0] != codes[1]:
        return False
    sounds = (torch.from_numpy(run.waveform) for run in (found, expected))
    return difference(*sounds).mean <= LIMIT


def _failing_recording(rows: Rows, bench: Bench) -> None:
    networks = bench.small(bench.device, bench.daily)
    request = _request(bench, 1)
    expected = engine_of(networks, graphs=False).synthesize(request)
    engine: IndexTTS2 = engine_of(networks)
    streams = [torch.cuda.current_stream(bench.device)] if bench.cuda else []
    with illegal_recordings():
        found = engine.synthesize(request)
    rows.check("a recording that fails: sound", _same(found, expected), "as without recordings")
    if bench.cuda:
        now = torch.cuda.current_stream(bench.device)
        rows.check("a recording that fails: stream", now == streams[0], f"{now}")
    again = engine.synthesize(replace(request, seed=2))
    other = engine_of(networks, graphs=False).synthesize(replace(request, seed=2))
    rows.check("a recording that fails: the next request", _same(again, other))


@contextmanager
def illegal_recordings() -> Iterator[None]:
    """Every recording meets a copy to the host, which is not allowed in one."""
    original = SemanticGPT.logits

    def logits(model: SemanticGPT, hidden: Tensor) -> Tensor:
        if hidden.is_cuda and torch.cuda.is_current_stream_capturing():
            hidden.cpu()
        return original(model, hidden)

    patched: Any = SemanticGPT
    patched.logits = logits
    try:
        yield
    finally:
        patched.logits = original


def _another_card(rows: Rows, bench: Bench) -> None:
    """The second card, while the first is the current one."""
    request = _request(bench, 1)
    first = engine_of(bench.small(bench.device, bench.daily)).synthesize(request)
    second = torch.device("cuda", (bench.device.index or 0) ^ 1)
    found = engine_of(bench.small(second, bench.daily)).synthesize(request)
    rows.check("another card", _same(found, first), f"{second} beside {bench.device}")
