"""The decoding loop does not wait for the device, and a request does so only in known places."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.gpu_check.bench import Bench, engine_of, speech
from benchmarks.gpu_check.decoding import free_session, recording_session
from benchmarks.gpu_check.rows import Rows
from indextts.request import SynthesisRequest
from indextts.sampling import SamplingOptions
from indextts.stages.decoding import beam, sample
from indextts.stages.decoding.cuda_graph import GraphSwitch
from indextts.stages.semantic_gpt import SemanticGPT

# Steps before the watch begins: the recording itself may wait.
WARM_STEPS = 40
WATCHED_STEPS = 16


def run(rows: Rows, bench: Bench) -> None:
    if not bench.cuda:
        rows.skip("watch for waits", "the CPU is never waited for; the loops run all the same")
    model = bench.small(bench.device, bench.daily).gpt
    for beams in (1, 3):
        for recorded in (False, True):
            name = f"{beams} beam{'s' * (beams > 1)}, {'recorded' if recorded else 'free'}"
            with rows.guard(name), torch.inference_mode():
                _loop(model, bench, beams, recorded=recorded)
                rows.check(name, True, f"{WATCHED_STEPS} steps without a wait")
    with rows.guard("waits of a request"):
        _count(rows, bench)


def _loop(model: SemanticGPT, bench: Bench, beams: int, *, recorded: bool) -> None:
    """Session and choice, step by step as the decoder does it; raises where one waits."""
    config, device = model.config, bench.device
    steps = WARM_STEPS + WATCHED_STEPS
    random = torch.Generator(device).manual_seed(bench.seed)
    prefixes = [torch.randn(20, config.model_dim, device=device).to(model.dtype) for _ in range(2)]
    options = SamplingOptions(num_beams=beams)
    seen = torch.zeros(config.number_mel_codes, dtype=torch.bool, device=device)
    limits = torch.full((2,), steps, device=device)
    session = (
        recording_session(model, prefixes, beams, GraphSwitch())
        if recorded
        else free_session(model, prefixes, beams)
    )
    state: sample.SampleState | beam.BeamState
    if beams == 1:
        state = sample.start(limits, seen, config.start_mel_token, steps)
    else:
        state = beam.start(limits, seen, config.start_mel_token, steps, beams)
    noise = torch.empty((2, beams * config.number_mel_codes), device=device)
    for position in range(steps):
        with watched(bench, "error" if position >= WARM_STEPS else "default"):
            logits = session.step(state.tokens, state.parents, position)
            index = torch.full((), position, dtype=torch.int64, device=device)
            noise.exponential_(generator=random)
            if isinstance(state, sample.SampleState):
                state = sample.step(state, logits, noise, index, options, config.stop_mel_token)
            else:
                state = beam.step(state, logits, noise, index, options, config.stop_mel_token)


@contextmanager
def watched(bench: Bench, mode: str) -> Iterator[None]:
    """What torch does where the host waits for the device, inside a block."""
    if not bench.cuda:
        yield
        return
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _count(rows: Rows, bench: Bench) -> None:
    """How often one request waits, and where: clip known, two segments."""
    engine = engine_of(bench.small(bench.device, bench.daily))
    request = SynthesisRequest(
        "one two three four five\nsix seven eight nine ten",
        speech(1, 2.0),
        seed=1,
        sampling=SamplingOptions(max_mel_tokens=bench.pick(100, 20)),
    )
    engine.synthesize(request)
    with warnings.catch_warnings(record=True) as caught, watched(bench, "warn"):
        warnings.simplefilter("always")
        engine.synthesize(request)
    places = Counter(
        f"{Path(warning.filename).name}:{warning.lineno}"
        for warning in caught
        if "synchroniz" in str(warning.message)
    )
    note = ", ".join(f"{place} x {count}" for place, count in places.most_common(8))
    rows.figure("waits of a request", sum(places.values()), "", note=note or "none seen")
