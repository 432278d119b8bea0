"""Each stage beside the CPU in float32, on the CPU's own inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.gpu_check.bench import Bench, dtype_of
from benchmarks.gpu_check.chain import Material, Outputs, make_material, run_chain
from benchmarks.gpu_check.compare import common_start, difference
from benchmarks.gpu_check.floors import tf32
from benchmarks.gpu_check.rows import Rows
from indextts.stages.networks import Networks, load_networks
from indextts.utils.checkpoint import load_into

FRONT = ("features", "style", "prompt_mel", "latents", "emotion", "condition")
GPT = ("scores", "hidden")
BACK = ("mel", "waveform")
DEMO = Path(__file__).resolve().parents[3] / "models" / "demo"


@dataclass(frozen=True)
class Limit:
    """Of a difference, relative to the root mean square."""

    largest: float
    mean: float


LIMITS = {
    "fp32": Limit(1e-2, 1e-4),
    "tf32": Limit(1.0, 5e-2),
    "fp16": Limit(1e-1, 5e-3),
    "bf16": Limit(5e-1, 4e-2),
}


def run(rows: Rows, bench: Bench) -> None:
    cpu = torch.device("cpu")
    networks = bench.small(cpu)
    _compare(rows, bench, "small", networks, bench.small(bench.device))
    if bench.dry or not DEMO.is_dir():
        rows.skip("models/demo", "a dry run" if bench.dry else "is not there")
        return
    with rows.guard("models/demo"):
        demo = load_networks(DEMO, cpu, "fp32", bench.verbalizer)
        tested = load_networks(DEMO, bench.device, "fp32", bench.verbalizer)
        _compare(rows, bench, "demo", demo, tested)


def _compare(rows: Rows, bench: Bench, model: str, expected_of: Networks, tested: Networks) -> None:
    """All stages in float32 and TF32; of the GPT and what follows it, the other precisions."""
    seconds, codes = bench.pick((4.0, 60), (1.0, 12))
    material = make_material(bench, expected_of, seconds, codes)
    expected = run_chain(expected_of, material)
    for module in (tested.gpt, tested.reference.acoustic, tested.vocoder.model):
        bench.spoil(module)
    for kind in ("fp32", "tf32"):
        with rows.guard(f"{model}, {kind}"), tf32(kind == "tf32"):
            found = run_chain(tested, material, expected)
            _stages(rows, f"{model}, {kind}", found, expected, (*FRONT, *GPT, *BACK), LIMITS[kind])
            _codec(rows, f"{model}, {kind}", found, expected, LIMITS[kind])
            _codes(rows, f"{model}, {kind}", found, expected, must=kind == "fp32")
    for precision in bench.precisions[1:]:
        with rows.guard(f"{model}, {precision}"):
            half = _in_precision(tested, precision)
            name = f"{model}, {precision}"
            found = run_chain(half, material, expected)
            _stages(rows, name, found, expected, GPT, LIMITS[precision])
            _codes(rows, name, found, expected, must=False)
            _mel_behind(rows, name, half, material, expected)


def _in_precision(networks: Networks, precision: str) -> Networks:
    """The same weights with the GPT cast; modules that are not the GPT are shared."""
    source = networks.gpt
    with torch.device("meta"):
        gpt = type(source)(source.config)
    load_into(gpt, source.state_dict(), "", dtype=dtype_of(precision), device=source.device)
    return replace(networks, gpt=gpt)


def _stages(
    rows: Rows, name: str, found: Outputs, expected: Outputs, stages: tuple[str, ...], limit: Limit
) -> None:
    for stage in stages:
        with rows.guard(f"{name}: {stage}"):
            apart = difference(getattr(found, stage), getattr(expected, stage))
            passed = apart.largest <= limit.largest and apart.mean <= limit.mean
            rows.check(f"{name}: {stage}", passed, str(apart), apart.mean)


def _codes(rows: Rows, name: str, found: Outputs, expected: Outputs, *, must: bool) -> None:
    """Greedy codes of both decoders; in other precisions rounding may choose differently."""
    for label in ("codes", "beam_codes"):
        wanted = getattr(expected, label)
        same = common_start(getattr(found, label), wanted)
        note = f"{same} of {len(wanted)} equal"
        if must:
            rows.check(f"{name}: {label}", same == len(wanted), note)
        else:
            rows.figure(f"{name}: {label}", same / max(len(wanted), 1), "equal", note=note)


def _codec(rows: Rows, name: str, found: Outputs, expected: Outputs, limit: Limit) -> None:
    """The codec's tokens, which rounding may choose differently, and its vectors of the others."""
    same = found.tokens.cpu() == expected.tokens  # [1, T]
    share = float(same.float().mean())
    rows.check(f"{name}: codec tokens", share >= 0.97, "equal", share)
    apart = difference(found.quantized.cpu()[same], expected.quantized[same])
    rows.check(f"{name}: quantized", apart.mean <= limit.mean, str(apart), apart.mean)


def _mel_behind(
    rows: Rows, name: str, networks: Networks, material: Material, expected: Outputs
) -> None:
    """What the rounding of the GPT does to the mel: its latents, and all else in float32."""
    heard = replace(expected, hidden=run_chain(networks, material, expected).hidden.cpu())
    mel = run_chain(networks, material, heard).mel
    apart = float((mel.cpu() - expected.mel).abs().mean())
    rows.figure(f"{name}: mel behind it", apart, "nepers", note="mean absolute distance")
