"""One GPT step, one DiT step, one vocoder call: time and launches beside the device's floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.gpu_check.bench import Bench
from benchmarks.gpu_check.compare import difference
from benchmarks.gpu_check.decoding import begin_at, free_session, recording_session, tell
from benchmarks.gpu_check.floors import (
    Floors,
    bytes_of,
    measure_floors,
    operations_of,
    seconds_of,
    seconds_once,
    tf32,
)
from benchmarks.gpu_check.flows import begin_flow
from benchmarks.gpu_check.launches import launches_of
from benchmarks.gpu_check.rows import Rows
from indextts.layers.alias_free import FusedActivation
from indextts.layers.fused_snake import (
    FusedActivationUnavailableError,
    open_fused_activation,
    set_activation,
)
from indextts.sampling import SamplingOptions
from indextts.stages.decoding import beam
from indextts.stages.decoding.processors import Plan, RowOptions
from indextts.stages.device import precision_name
from indextts.stages.flow_graph import FlowGroups
from indextts.stages.networks import Networks
from indextts.stages.recorder import FIRST_RECORDED, GraphRecorder
from indextts.stages.semantic_gpt import SemanticGPT

PREFIX = 60
MOST_STEPS = 80  # that a call is repeated; each reads one position more


@dataclass(frozen=True)
class Timed:
    """One thing to measure.

    Attributes:
        name: of the row.
        call: does it once.
        moved: bytes that must be read or written at least.
        kind: of its products: fp32, tf32, fp16, bf16.
        operations: how many, where a recording hides them from the counter.
    """

    name: str
    call: Callable[[], object]
    moved: float
    kind: str
    operations: float | None = None


def run(rows: Rows, bench: Bench) -> None:
    floors = measure_floors(bench)
    networks = bench.official(bench.daily)
    with torch.inference_mode():
        _gpt(rows, bench, floors, networks.gpt)
        with rows.guard("DiT"):
            _dit(rows, bench, floors, networks)
        with rows.guard("step of the flow"):
            _flow_steps(rows, bench, floors, networks)
        with rows.guard("vocoder"):
            _vocoder(rows, bench, floors, networks)
        for precision in bench.precisions:
            if precision != bench.daily:
                with rows.guard(f"GPT {precision}"):
                    gpt = bench.in_precision(networks, precision).gpt
                    _gpt_step(rows, bench, floors, gpt, (1, 3), bench.pick(400, 30), recorded=True)
                    del gpt
                    bench.settle()


def _measure(rows: Rows, bench: Bench, floors: Floors, timed: Timed) -> None:
    seconds = seconds_of(bench, timed.call, MOST_STEPS - 10)
    launches = launches_of(bench, timed.call)
    operations = operations_of(timed.call) if timed.operations is None else timed.operations
    floor = floors.seconds(timed.moved, operations, timed.kind)
    longest = ", ".join(f"{name} {ms} ms" for name, ms in launches.longest[:2])
    note = f"{launches}; {operations / 1e9:.3g} GFLOP, {timed.moved / 2**20:.3g} MiB; {longest}"
    rows.figure(timed.name, 1000 * seconds, "ms", 1000 * floor, note)


def _gpt(rows: Rows, bench: Bench, floors: Floors, gpt: SemanticGPT) -> None:
    for size in ((1, 1), (1, 3), (4, 3)):
        for position in bench.pick((100, 400, 900), (10, 30)):
            for recorded in (False, True):
                with rows.guard(f"GPT step {size} at {position}"):
                    _gpt_step(rows, bench, floors, gpt, size, position, recorded=recorded)
        with rows.guard(f"choosing {size}"):
            _choosing(rows, bench, floors, gpt, size)


def _gpt_step(
    rows: Rows,
    bench: Bench,
    floors: Floors,
    gpt: SemanticGPT,
    size: tuple[int, int],
    position: int,
    *,
    recorded: bool,
) -> None:
    """A decoding step from a position on; the zeros before it cost what numbers cost."""
    sequences, beams = size
    config, count = gpt.config, sequences * beams
    prefixes = [
        torch.randn(PREFIX, config.model_dim, device=bench.device).to(gpt.dtype)
        for _ in range(sequences)
    ]
    session = (
        recording_session(gpt, prefixes, beams, GraphRecorder(bench.device))
        if recorded
        else free_session(gpt, prefixes, beams)
    )
    begin_at(session, position)
    shape = (1, sequences) if beams == 1 else (1, sequences, beams)
    tokens = torch.ones(shape, dtype=torch.int64, device=bench.device)
    parents = torch.arange(beams, device=bench.device).expand(shape) if beams > 1 else None
    state, follow = tell(tokens, parents, config.number_mel_codes, position)

    def step() -> None:
        nonlocal state
        state = session.advance(state, follow, None)

    precision = precision_name(gpt.dtype)
    kind = "recorded" if recorded else "free"
    read = PREFIX + position
    # Keys and values of the prefix once a sequence, of what is generated once a row.
    cache = 2 * config.layers * config.model_dim * gpt.mel_head.weight.element_size()
    moved = bytes_of(gpt.gpt) + bytes_of(gpt.mel_head)
    moved += cache * (sequences * PREFIX + count * position)
    weights = sum(w.numel() for w in (*gpt.gpt.parameters(), *gpt.mel_head.parameters()))
    operations = 2.0 * count * (weights + 2 * config.layers * config.model_dim * read)
    name = f"GPT step, {precision}, {sequences} x {beams} from {position}, {kind}"
    _measure(rows, bench, floors, Timed(name, step, moved, precision, operations))


def _choosing(
    rows: Rows, bench: Bench, floors: Floors, gpt: SemanticGPT, size: tuple[int, int]
) -> None:
    """The beam search's own work in a step."""
    sequences, beams = size
    if beams == 1:
        return
    config, device = gpt.config, bench.device
    limits = torch.full((sequences,), 500, device=device)
    seen = torch.zeros(config.number_mel_codes, dtype=torch.bool, device=device)
    every = [SamplingOptions(num_beams=beams)] * sequences
    options = RowOptions.of(every, config.number_mel_codes, device)
    state = beam.start(limits, seen, config.start_mel_token, 500, beams, options)
    logits = torch.randn(sequences * beams, config.number_mel_codes, device=device)
    noise = torch.empty(sequences, beams * config.number_mel_codes, device=device).exponential_()
    plan = Plan.of(every, config.number_mel_codes)
    call = partial(beam.step, state, logits, noise, plan, config.stop_mel_token)
    moved = logits.nbytes + noise.nbytes
    _measure(
        rows, bench, floors, Timed(f"choosing, {sequences} x {beams}", call, moved, "fp32", 0.0)
    )


def _dit(rows: Rows, bench: Bench, floors: Floors, networks: Networks) -> None:
    """A guided step over a prompt of 5 s and speech of 10 s; fp32, TF32, autocast to bf16."""
    s2mel, device = networks.config.s2mel, bench.device
    estimator = networks.reference.acoustic.cfm.estimator
    frames = bench.pick(1292, 100)
    bands = s2mel.DiT.in_channels
    mu = torch.randn(2, frames, s2mel.DiT.content_dim, device=device)
    style = torch.randn(2, s2mel.style_encoder.dim, device=device)
    prompt = torch.randn(2, bands, frames, device=device)
    x = torch.randn(2, bands, frames, device=device)
    t = torch.full((1,), 0.5, device=device)
    lengths = torch.full((2,), frames, device=device)
    context = estimator.prepare(prompt, lengths, style, mu, rows_alone=True)
    moved = bytes_of(estimator) + 2 * x.nbytes
    exact = estimator.step(x, t, context)
    for kind in ("fp32", "tf32", "bf16"):
        with (
            rows.guard(f"DiT step, {kind}"),
            tf32(kind == "tf32"),
            torch.autocast(device.type, torch.bfloat16, enabled=kind == "bf16"),
        ):
            apart = difference(estimator.step(x, t, context), exact)
            rows.figure(f"DiT step, {kind}: error", apart.mean, "of the RMS", note=str(apart))
            timed = Timed(
                f"DiT step, {kind}, 2 x {frames} frames",
                lambda: estimator.step(x, t, context),
                moved,
                kind,
            )
            _measure(rows, bench, floors, timed)


def _flow_steps(rows: Rows, bench: Bench, floors: Floors, networks: Networks) -> None:
    """A guided step of one flow as the scheduler takes it, free and recorded: 3 s of prompt and 2 s
    of speech, 5 s and 10 s."""
    acoustic = networks.reference.acoustic
    moved = float(bytes_of(acoustic.cfm.estimator))
    for frames in bench.pick(((258, 172), (430, 861)), ((10, 20),)):
        for kind in ("fp32", "tf32"):
            with rows.guard(f"step of the flow, {kind}, {frames}"), tf32(kind == "tf32"):
                operations: float | None = None
                for recorded in ("off", "auto"):
                    # Each call is the next step, and all but the first ones are measured.
                    flow = begin_flow(bench, networks, frames, steps=2 * MOST_STEPS + 50)
                    group = FlowGroups(acoustic, recorded).open([flow])
                    for _ in range(FIRST_RECORDED + 1):
                        group.step()
                    if operations is None:
                        operations = operations_of(group.step)
                    way = "recorded" if recorded == "auto" else "free"
                    name = f"step of the flow, {kind}, {frames[0]} + {frames[1]} frames, {way}"
                    timed = Timed(name, group.step, moved, kind, operations)
                    _measure(rows, bench, floors, timed)


def _activations(bench: Bench, rows: Rows) -> dict[str, FusedActivation | None]:
    """The ways in which the vocoder's activations can be done here."""
    ways: dict[str, FusedActivation | None] = {"plain": None}
    if bench.cuda:
        try:
            ways["fused"] = open_fused_activation(bench.device)
        except FusedActivationUnavailableError as reason:
            rows.skip("vocoder, fused", str(reason))
    return ways


def _vocoder(rows: Rows, bench: Bench, floors: Floors, networks: Networks) -> None:
    """A known length twice, a new length once: the difference is what cuDNN plans."""
    vocoder = networks.vocoder
    bands = networks.config.s2mel.DiT.in_channels
    frames = bench.pick(860, 40)
    mel = torch.randn(bands, frames, device=bench.device)
    moved = bytes_of(vocoder.model) + mel.nbytes + 4 * frames * vocoder.model.samples_per_frame
    ways = _activations(bench, rows)
    exact = vocoder.waveform(mel)
    for kind in ("fp32", "tf32"):
        with rows.guard(f"vocoder, {kind}"), tf32(kind == "tf32"):
            apart = difference(vocoder.waveform(mel), exact)
            rows.figure(f"vocoder, {kind}: error", apart.mean, "of the RMS", note=str(apart))
            for way, kernel in ways.items():
                set_activation(vocoder.model, kernel)
                name = f"vocoder, {kind}, {frames} frames, {way}"
                timed = Timed(name, lambda: vocoder.waveform(mel), moved, kind)
                _measure(rows, bench, floors, timed)
    lengths = [frames - 7 - i for i in range(3)]
    known = seconds_of(bench, lambda: vocoder.waveform(mel))
    times = [seconds_once(bench, partial(vocoder.waveform, mel[:, :length])) for length in lengths]
    rows.figure(
        "vocoder, fp32, a new length",
        1000 * sum(times) / len(times),
        "ms",
        1000 * known,
        "beside a known one",
    )
