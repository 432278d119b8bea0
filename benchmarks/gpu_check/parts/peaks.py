"""Memory of the device: of the weights, and the peak of each stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch

from benchmarks.gpu_check.bench import Bench, engine_of, speech
from benchmarks.gpu_check.rows import Rows
from benchmarks.gpu_check.workloads import Workload, request_of
from indextts.sampling import SamplingOptions
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.networks import Networks
from indextts.stages.reference import ReferenceEncoder, reference_cache
from indextts.stages.seeds import generator, normal

T = TypeVar("T")


class Peak:
    """Measures what a piece of work takes at most, weights and what it finds included."""

    def __init__(self, rows: Rows, bench: Bench) -> None:
        self._rows, self._bench = rows, bench

    def of(self, name: str, work: Callable[[], T]) -> T:
        """Do it, and add a row."""
        device = self._bench.device
        if not self._bench.cuda:
            return work()
        self._bench.settle()
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        result = work()
        self._bench.sync()
        peak = torch.cuda.max_memory_allocated(device)
        note = f"{before / 2**30:.2f} GiB before, {(peak - before) / 2**20:.0f} MiB more"
        self._rows.figure(name, peak / 2**30, "GiB", note=note)
        return result


def run(rows: Rows, bench: Bench) -> None:
    if not bench.cuda:
        rows.skip("peaks", "a dry run on the CPU; the stages run all the same")
    peak = Peak(rows, bench)
    with rows.guard("weights, clips read on the CPU"):
        _weights(rows, peak, bench, clips_on_cpu=True)
        bench.settle()
    networks = _weights(rows, peak, bench, clips_on_cpu=False)
    with rows.guard("stages"), torch.inference_mode():
        _stages(peak, bench, networks)
    engine = engine_of(networks)
    for count in bench.pick((1, 4, 16), (1, 2)):
        name = f"a request, {count} segments together"
        work = Workload("memory", count, bench.pick(40, 6), bench.pick(500, 12))
        with rows.guard(name):
            peak.of(name, partial(engine.synthesize, request_of(bench, work, together=16)))
    if bench.cuda:
        del engine
        bench.settle()
        rows.figure("held at the end", torch.cuda.memory_allocated(bench.device) / 2**30, "GiB")
        rows.figure("reserved at the end", torch.cuda.memory_reserved(bench.device) / 2**30, "GiB")


def _weights(rows: Rows, peak: Peak, bench: Bench, *, clips_on_cpu: bool) -> Networks:
    name = "weights, clips read on the CPU" if clips_on_cpu else "weights"
    computed = bench.budget().of_weights(clips_on_cpu=clips_on_cpu)
    rows.figure(f"{name}, computed", computed / 2**30, "GiB")
    encoders = torch.device("cpu") if clips_on_cpu else None
    return peak.of(name, partial(bench.official, bench.daily, encoders))


def _stages(peak: Peak, bench: Bench, networks: Networks) -> None:
    """One segment of 10 s in a voice of 15 s, three beams."""
    device, count = bench.device, bench.pick(500, 12)
    acoustic, gpt = networks.reference.acoustic, networks.gpt
    clip = speech(bench.seed, bench.pick(15.0, 1.0))
    encoder = ReferenceEncoder(networks.reference, reference_cache(0))
    voice = peak.of("reference, 15 s", partial(encoder.voice, clip))
    condition = networks.reference.conditioner.condition(voice.latents, voice.emotion)[0]
    text = torch.arange(3, 43, device=device)
    decoded = peak.of(
        f"GPT, {count} codes, 3 beams",
        lambda: CodeDecoder(gpt, "off").generate(
            [gpt.prefix(condition, text)],
            [count],
            SamplingOptions(),
            lambda: [generator(1, device)],
        ),
    )
    codes = decoded[0].codes
    latents = peak.of("latents", lambda: gpt.latents([condition], [text], [codes])[0])
    bands = acoustic.config.DiT.in_channels
    mel = peak.of(
        "s2mel",
        lambda: acoustic.mels(
            [latents],
            [networks.codec.embed(codes[None])[0]],
            voice.prompt,
            lambda _, frames: normal(1, (1, bands, frames), device),
        )[0],
    )
    peak.of("vocoder", partial(networks.vocoder.waveform, mel))
