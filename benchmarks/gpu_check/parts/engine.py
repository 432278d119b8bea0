"""The whole engine on a tiny model that is read from files, as in daily life."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.gpu_check.bench import Bench, speech
from benchmarks.gpu_check.compare import common_start, difference
from benchmarks.gpu_check.decoding import count_replays
from benchmarks.gpu_check.rows import Rows
from indextts.errors import GenerationError
from indextts.infer_v2 import IndexTTS2
from indextts.request import Synthesis, SynthesisRequest
from indextts.sampling import SamplingOptions
from tests.indextts.tiny_model import SENTENCES, write_tiny_model

# Mean difference relative to the root mean square: from the CPU, and from one run to the next.
LIMIT = 2e-2
REPEATED = 1e-4


def run(rows: Rows, bench: Bench) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_model(Path(folder) / "tiny")
        reference = _load(bench, model, torch.device("cpu"), "fp32")
        expected = {beams: reference.synthesize(_request(beams)) for beams in (1, 3)}
        for precision in bench.precisions:
            with rows.guard(precision):
                engine = _load(bench, model, bench.device, precision)
                bench.spoil(engine.networks.gpt)
                _compare(rows, bench, engine, expected)
                _seeds(rows, engine)
        with rows.guard("clips read on the CPU"):
            engine = _load(bench, model, bench.device, "fp32", encoders_device="cpu")
            bench.spoil(engine.networks.gpt)
            _compare(rows, bench, engine, expected, ", clips read on the CPU")
        for stage in ("gpt", "acoustic", "vocoder"):
            with rows.guard(f"not finite, {stage}"):
                _not_finite(rows, _load(bench, model, bench.device, bench.daily), stage)


def _load(
    bench: Bench, model: Path, device: torch.device, precision: str, encoders_device: str = "same"
) -> IndexTTS2:
    return IndexTTS2(
        model,
        str(device),
        precision,
        "off",
        encoders_device=encoders_device,
        verbalizer=bench.verbalizer,
    )


def _request(beams: int) -> SynthesisRequest:
    return SynthesisRequest(
        " ".join(SENTENCES[:2]),
        speech(1, 2.0),
        emotion=speech(2, 1.5),
        emo_alpha=0.7,
        seed=3,
        max_text_tokens_per_segment=30,
        sampling=SamplingOptions(do_sample=False, num_beams=beams),
    )


def _compare(
    rows: Rows, bench: Bench, engine: IndexTTS2, expected: dict[int, Synthesis], label: str = ""
) -> None:
    """Greedy codes and sound beside the CPU's."""
    for beams, wanted in expected.items():
        name = f"{engine.precision}, {beams} beam" + "s" * (beams > 1) + label
        with count_replays() as replays:
            found = engine.synthesize(_request(beams))
        pairs = [
            (torch.from_numpy(a.codes), torch.from_numpy(b.codes))
            for a, b in zip(found.segments, wanted.segments, strict=True)
        ]
        same = sum(common_start(a, b) for a, b in pairs)
        total = sum(len(b) for _, b in pairs)
        note = f"{same} of {total} codes as on the CPU in fp32; {replays.count} steps replayed"
        if engine.precision != "fp32":
            # Rounding may choose another code, and from there on everything is another.
            rows.figure(f"{name}: codes", same / total, "equal", note=note)
        else:
            equal = all(torch.equal(a, b) for a, b in pairs)
            rows.check(f"{name}: codes", equal, note)
        if same == total and len(found.waveform) == len(wanted.waveform):
            apart = difference(torch.from_numpy(found.waveform), torch.from_numpy(wanted.waveform))
            limit = LIMIT if engine.precision == "fp32" else 10 * LIMIT
            rows.check(f"{name}: sound", apart.mean <= limit, str(apart), apart.mean)


def _seeds(rows: Rows, engine: IndexTTS2) -> None:
    """A seed repeats, another one does not."""
    request = replace(_request(3), sampling=SamplingOptions())
    first, second = engine.synthesize(request), engine.synthesize(request)
    other = engine.synthesize(replace(request, seed=4))
    codes = [[s.codes.tolist() for s in run.segments] for run in (first, second, other)]
    name = f"{engine.precision}: the same seed twice"
    same = codes[0] == codes[1]
    rows.check(f"{name}: codes", same)
    if same:
        apart = difference(torch.from_numpy(second.waveform), torch.from_numpy(first.waveform))
        equal = np.array_equal(first.waveform, second.waveform)
        note = "bit for bit" if equal else str(apart)
        rows.check(f"{name}: samples", apart.mean <= REPEATED, note)
    rows.check(f"{engine.precision}: another seed", codes[0] != codes[2], "is another reading")


def _not_finite(rows: Rows, engine: IndexTTS2, stage: str) -> None:
    """A damaged weight ends in an error, never in sound; mended, the engine goes on."""
    networks = engine.networks
    modules: dict[str, nn.Module] = {
        "gpt": networks.gpt.final_norm,
        "acoustic": networks.reference.acoustic.gpt_layer,
        "vocoder": networks.vocoder.model,
    }
    weight = next(modules[stage].parameters())
    kept = weight.detach().clone()
    request = _request(3)
    try:
        with torch.no_grad():
            weight.fill_(float("nan"))
        engine.synthesize(request)
    except GenerationError as error:
        rows.check(f"not finite, {stage}", True, type(error).__name__)
    else:
        rows.check(f"not finite, {stage}", False, "it spoke")
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    spoken = engine.synthesize(request)
    rows.check(f"after it, {stage}", bool(np.isfinite(spoken.waveform).all()), "it speaks again")
