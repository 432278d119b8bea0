"""The decoding loop does not wait for the device, and a request does so only in known places."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from benchmarks.gpu_check.bench import Bench, engine_of, speech
from benchmarks.gpu_check.rows import Rows
from indextts.request import SynthesisRequest
from indextts.sampling import SamplingOptions
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.seeds import generator

# Steps before the watch begins: the recording itself may wait.
WARM_STEPS = 40
WATCHED_STEPS = 16


def run(rows: Rows, bench: Bench) -> None:
    if not bench.cuda:
        rows.skip("watch for waits", "the CPU is never waited for; the loops run all the same")
    model = bench.small(bench.device, bench.daily).gpt
    for beams in (1, 3):
        for graphs in ("off", "auto"):
            name = f"{beams} beam{'s' * (beams > 1)}, {'free' if graphs == 'off' else 'recorded'}"
            with rows.guard(name), torch.inference_mode():
                _decode(bench, CodeDecoder(model, "off", graphs), beams)
                rows.check(name, True, f"{WATCHED_STEPS} steps without a wait")
    with rows.guard("waits of a request"):
        _count(rows, bench)


def _decode(bench: Bench, decoder: CodeDecoder, beams: int) -> None:
    """The engine's own loop; raises where it waits while it is watched."""
    steps = WARM_STEPS + WATCHED_STEPS
    gpt = decoder.model
    prefixes = [
        torch.randn(20 + i, gpt.config.model_dim, device=bench.device).to(gpt.dtype)
        for i in range(2)
    ]
    with ExitStack() as stack:

        def on_step(position: int) -> None:
            if position == WARM_STEPS:
                stack.enter_context(watched(bench, "error"))
            elif position == steps - 1:
                stack.close()

        decoder.generate(
            prefixes,
            [steps, steps],
            SamplingOptions(num_beams=beams),
            lambda: [generator(seed, bench.device) for seed in range(2)],
            on_step,
        )


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
