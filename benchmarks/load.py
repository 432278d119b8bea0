"""Many clients at once: speech a second, latencies, and whether the speech is what it is alone.

    python benchmarks/load.py                                       # models/demo, in this process
    python benchmarks/load.py --stand-in --codes 80                 # official shape, random weights
    python benchmarks/load.py --url http://127.0.0.1:8000 --rate 2  # a service, at a rate
    python benchmarks/load.py --requests 192 --concurrency 1 4 8 16 --check

Requests mix texts, languages, voices, emotions, streams and beams; their seeds are their numbers.
With --check every answer is compared with the first level's: the same codes, and sound within the
tolerance.  Compare ratios of one run between machines, not seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.load_requests import LoadRequest, make_requests, shipped_voices  # noqa: E402
from benchmarks.load_targets import (  # noqa: E402
    EngineTarget,
    Heard,
    ServiceTarget,
    Target,
    Work,
)
from indextts.infer_v2 import IndexTTS2  # noqa: E402
from indextts.utils.audio_file import read_audio  # noqa: E402

# Of full scale; 16-bit samples are 3e-5 apart.
TOLERANCE = 1e-3

HEAD = (
    "| clients | audio s/s | by 1 | p50 s | p95 s | first sound p50 s | p95 s | in a step | "
    "padding | peak GiB | same |\n" + "| ---" * 11 + " |"
)


@dataclass(frozen=True)
class Level:
    """The figures of a number of clients, or of a rate."""

    name: str
    audio_per_second: float
    latencies: tuple[float, float]
    first_sounds: tuple[float, float]
    work: Work
    peak_bytes: int
    same: str

    def markdown(self, first: Level) -> str:
        ratio = self.audio_per_second / first.audio_per_second
        times = " | ".join(f"{value:.2f}" for value in (*self.latencies, *self.first_sounds))
        return (
            f"| {self.name} | {self.audio_per_second:.2f} | {ratio:.2f} | {times} | "
            f"{self.work.occupancy:.2f} | {self.work.padding:.0%} | "
            f"{self.peak_bytes / 2**30:.2f} | {self.same} |"
        )


def measure(
    target: Target, load: Sequence[LoadRequest], at_once: int, rate: float | None
) -> tuple[list[Heard], Level]:
    """One level: `at_once` clients, or requests that arrive at a rate."""
    due = None if rate is None else _arrivals(len(load), rate)
    heard, work = target.run(load, at_once, due)
    streams = {request.number for request in load if request.stream}
    level = Level(
        name=str(at_once) if rate is None else f"{rate:g}/s",
        audio_per_second=sum(one.audio_seconds for one in heard) / work.seconds,
        latencies=_percentiles([one.total for one in heard]),
        first_sounds=_percentiles([one.first_sound for one in heard if one.number in streams]),
        work=work,
        peak_bytes=_peak_bytes(),
        same="",
    )
    return heard, level


def _arrivals(count: int, rate: float) -> list[float]:
    dice = random.Random(2)
    moments, now = [], 0.0
    for _ in range(count):
        moments.append(now)
        now += dice.expovariate(rate)
    return moments


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 0.0
    return float(np.percentile(values, 50)), float(np.percentile(values, 95))


def _peak_bytes() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def compare(heard: Sequence[Heard], alone: dict[int, Heard]) -> tuple[str, bool]:
    """How many answers are those that were given alone, which are not, and whether all are."""
    others = sorted(one.number for one in heard if one.codes != alone[one.number].codes)
    codes, sounds, worst = len(heard) - len(others), 0, 0.0
    for one in heard:
        other = alone[one.number].samples
        if len(other) == len(one.samples):
            apart = float(np.abs(other - one.samples).max(initial=0.0))
            worst = max(worst, apart)
            sounds += apart <= TOLERANCE
    text = f"codes {codes}/{len(heard)}, sound {sounds}/{len(heard)} (most {worst:.1e})"
    if others:
        text += f"; other codes: {', '.join(map(str, others))}"
    return text, codes == sounds == len(heard)


def score(
    heard: Sequence[Heard],
    load: Sequence[LoadRequest],
    voices: Sequence[Path],
    folder: Path,
    scorer: Path,
) -> str:
    """Write the speech, and let a program of the caller's judge it; returns its summary.

    The program gets a list of {"audio", "text", "language", "speaker"}, a line each, and writes
    {"summary": ...} to the file behind ``--json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {request.number: request for request in load}
    lines = []
    for one in sorted(heard, key=lambda one: one.number):
        request = wanted[one.number]
        path = folder / f"{one.number:03d}.wav"
        soundfile.write(path, one.samples, one.rate)
        lines.append(
            {
                "audio": path.name,
                "text": request.text,
                "language": request.language,
                "speaker": str(voices[request.voice]),
            }
        )
    listing = folder / "list.jsonl"
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    listing.write_text(text + "\n", encoding="utf-8")
    output = folder / "scores.json"
    command = [sys.executable, str(scorer), str(listing), "--json", str(output)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.dumps(json.loads(output.read_text(encoding="utf-8"))["summary"], ensure_ascii=False)


def open_engine(options: argparse.Namespace) -> IndexTTS2:
    most = max(options.concurrency)
    batch = options.max_batch or most
    if not options.stand_in:
        return IndexTTS2(options.model_dir, options.device, options.precision, max_batch=batch)
    from benchmarks.gpu_check.shapes import official_shapes, small_shapes
    from benchmarks.gpu_check.weights import make_networks
    from indextts.stages.device import choose_device, choose_precision, set_cuda_arithmetic

    device = choose_device(options.device)
    if device.type == "cuda":
        set_cuda_arithmetic(tf32=options.tf32)
    shapes = small_shapes() if options.stand_in == "small" else official_shapes()
    precision = choose_precision(options.precision, device)
    networks = make_networks(shapes, device, precision, 1, device)
    return IndexTTS2.from_networks(networks, "off", max_batch=batch)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a running service; without it the engine runs here")
    parser.add_argument("--model-dir", default=str(ROOT / "models" / "demo"))
    parser.add_argument(
        "--stand-in",
        nargs="?",
        const="official",
        choices=("official", "small"),
        help="random weights of the official shape, or of a tenth of it",
    )
    parser.add_argument("--codes", type=int, help="bound on a segment's codes")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument("--tf32", action="store_true", help="for --stand-in on CUDA")
    parser.add_argument("--max-batch", type=int, help="(the most clients)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--rate", type=float, nargs="+", default=[], help="requests a second")
    parser.add_argument("--requests", type=int, default=32, help="at each level (32)")
    parser.add_argument("--rounds", type=int, default=1, help="of all levels, by turns (1)")
    parser.add_argument("--check", action="store_true", help="compare with the first level")
    parser.add_argument("--score", type=Path, help="program that judges speech")
    parser.add_argument("--out", type=Path, default=Path("load"), help="folder for --score")
    parser.add_argument("--timeout", type=float, default=600.0, help="for an answer of a service")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 where --check finds a difference."""
    options = parse_arguments(arguments)
    voices, english, mandarin = shipped_voices()
    codes = options.codes or (80 if options.stand_in else None)
    load = make_requests(options.requests, english, mandarin, codes)
    target: Target
    if options.url:
        target = ServiceTarget(options.url, [p.read_bytes() for p in voices], options.timeout)
    else:
        target = EngineTarget(open_engine(options), [read_audio(path) for path in voices])
    # Clips are read once, kernels are loaded once.
    target.run(load[: 2 * len(voices)], max(options.concurrency), None)
    sys.stdout.write(HEAD + "\n")
    levels = [(clients, None) for clients in options.concurrency]
    levels += [(max(options.concurrency), rate) for rate in options.rate]
    alone: dict[int, Heard] = {}
    first: Level | None = None
    fine = True
    for _ in range(options.rounds):
        first = None
        for clients, rate in levels:
            heard, level = measure(target, load, clients, rate)
            first = first or level
            alone = alone or {one.number: one for one in heard}
            if options.check:
                same, right = compare(heard, alone)
                level, fine = replace(level, same=same), fine and right
            sys.stdout.write(level.markdown(first) + "\n")
            sys.stdout.flush()
            if options.score:
                folder = options.out / level.name.replace("/", "-")
                summary = score(heard, load, voices, folder, options.score)
                sys.stdout.write(f"  {level.name}: {summary}\n")
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
