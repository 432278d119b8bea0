"""What each saving of the fast class gains on a model directory, and how far it moves the mel.

    python benchmarks/quality.py --model-dir models/IndexTTS --speaker voice.wav

All variants speak one text by turns in one process.  Compare the ratios; the distance of a mel is
that of the flow alone, from the same codes and the same noise.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.engine import TEXTS, peak_bytes, processor
from indextts.infer_v2 import IndexTTS2
from indextts.quality import WEIGHTS, FastClass
from indextts.request import ReferenceAudio, Synthesis, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.stages.acoustic import AcousticModel, PromptCondition, frames_of
from indextts.stages.reference import ReferenceEncoder, reference_cache
from indextts.utils.audio_file import read_audio

STEPS = (20, 15, 12, 10, 8, 6)
PROMPTS = (5.0, 3.0, 2.0, 1.0)
SAVINGS = {
    "15 steps": FastClass("fp32", diffusion_steps=15),
    "10 steps": FastClass("fp32", diffusion_steps=10),
    "3 s of the clip": FastClass("fp32", prompt_seconds=3.0),
    "1 beam": FastClass("fp32", num_beams=1),
}
VARIANTS = ("exact", "weights", *SAVINGS, "weights, 1 beam", "fast")
# A neper is 20 / ln 10 decibels.
DECIBELS = 8.685889638


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-dir", type=Path, default=Path("models/IndexTTS"))
    parser.add_argument("--speaker", type=Path, required=True, help="a clip of the voice")
    parser.add_argument("--weights", default="auto", choices=WEIGHTS)
    parser.add_argument("--text", default="medium", choices=TEXTS)
    parser.add_argument("--codes", type=int, default=50, help="bound; stand-ins never stop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--distances", action="store_true", help="of mels, instead of seconds")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    speaker = read_audio(args.speaker)
    # First, so that the peak of memory is its own.
    fast = loaded(args.model_dir, FastClass(args.weights))
    request = SynthesisRequest(
        TEXTS[args.text], speaker, seed=1, sampling=SamplingChanges(max_mel_tokens=args.codes)
    )
    first = fast.synthesize(request)
    print(f"first request {first.seconds.total:.1f} s, peak memory {peak_bytes() / 2**30:.2f} GiB")
    exact = loaded(args.model_dir, None)
    print(f"fast: {fast.fast_class}")
    print(f"machine: {processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    if args.distances:
        distances(exact, fast, speaker)
        return 0
    variants = {
        "exact": exact,
        "weights": IndexTTS2.from_networks(fast.networks),
        **{
            name: IndexTTS2.from_networks(exact.networks, quality="fast", fast=saving)
            for name, saving in SAVINGS.items()
        },
        "weights, 1 beam": IndexTTS2.from_networks(
            fast.networks, quality="fast", fast=SAVINGS["1 beam"]
        ),
        "fast": fast,
    }
    measure({name: variants[name] for name in args.variants}, request, args.rounds)
    return 0


def loaded(model_dir: Path, fast: FastClass | None) -> IndexTTS2:
    start = time.perf_counter()
    quality = "exact" if fast is None else "fast"
    engine = IndexTTS2(model_dir, "cpu", quality=quality, fast=fast, warm_up=False)
    print(
        f"{quality}: loaded in {time.perf_counter() - start:.1f} s, "
        f"peak memory {peak_bytes() / 2**30:.2f} GiB"
    )
    return engine


def measure(variants: dict[str, IndexTTS2], request: SynthesisRequest, rounds: int) -> None:
    """A table of seconds, medians of all rounds; clips are read before."""
    for engine in variants.values():
        engine._line.reference.voice(request.speaker)
        engine._line.reference.emotion(request.speaker)
    results: dict[str, list[Synthesis]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, engine in variants.items():
            one = engine.synthesize(request)
            results[name].append(one)
            sys.stderr.write(f"{name}: {one.seconds}\n")
    print("| variant | gpt s | s2mel s | vocoder s | whole s | of the first | RTF |")
    print("|" + " --- |" * 7)
    whole = 0.0
    for name, made in results.items():
        stages = [
            statistics.median(getattr(one.seconds, stage) for one in made)
            for stage in ("gpt", "s2mel", "vocoder")
        ]
        total = statistics.median(one.seconds.total for one in made)
        whole = whole or total
        cells = [f"{value:.2f}" for value in (*stages, total, total / whole)]
        print(f"| {name} | {' | '.join(cells)} | {total / made[0].audio_seconds:.2f} |", flush=True)


@torch.inference_mode()
def distances(exact: IndexTTS2, fast: IndexTTS2, speaker: ReferenceAudio) -> None:
    """A table of mel distances."""
    networks = exact.networks
    acoustic = networks.reference.acoustic
    prompt = ReferenceEncoder(networks.reference, reference_cache(0)).voice(speaker).prompt
    random = torch.Generator().manual_seed(0)
    count = 60
    codes = torch.randint(0, networks.config.gpt.start_mel_token, (1, count), generator=random)
    latents = torch.randn(count, networks.config.gpt.model_dim, generator=random)
    embedded = networks.codec.embed(codes)[0]
    longest = prompt.mel.shape[2] + frames_of(count, acoustic.config.frames_per_code)
    noise = torch.randn(1, prompt.mel.shape[1], longest, generator=random)

    def mel(model: AcousticModel, prompt: PromptCondition, steps: int | None = None) -> Tensor:
        frames = prompt.mel.shape[2] + frames_of(count, acoustic.config.frames_per_code)
        return model.mels([latents], [embedded], prompt, [noise[..., -frames:]], steps=steps)[0]

    right = mel(acoustic, prompt)
    rows: list[tuple[str, Tensor]] = [("weights", mel(fast.networks.reference.acoustic, prompt))]
    rows += [(f"{steps} steps", mel(acoustic, prompt, steps)) for steps in STEPS]
    for seconds in PROMPTS:
        encoder = ReferenceEncoder(networks.reference, reference_cache(0), "", seconds)
        rows.append((f"{seconds:g} s of the clip", mel(acoustic, encoder.voice(speaker).prompt)))
    print("\n| flow | distance dB | cosine |\n| --- | --- | --- |")
    print_distances(rows, right)


def print_distances(rows: Sequence[tuple[str, Tensor]], right: Tensor) -> None:
    """Mean distance of the logarithms, and their cosine."""
    for name, made in rows:
        decibels = DECIBELS * (made - right).abs().mean().item()
        cosine = torch.nn.functional.cosine_similarity(made.flatten(), right.flatten(), dim=0)
        print(f"| {name} | {decibels:.2f} | {cosine.item():.4f} |")


if __name__ == "__main__":
    sys.exit(main())
