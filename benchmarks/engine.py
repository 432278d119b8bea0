"""Measure the engine on a model directory: seconds per stage, tokens per second, RTF, memory.

    python benchmarks/engine.py --model-dir models/IndexTTS --speaker voice.wav

Ratios of one run can be compared; seconds of two runs only on an idle machine.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import time
from dataclasses import fields
from pathlib import Path

import torch

from indextts.infer_v2 import IndexTTS2
from indextts.quality import QUALITIES
from indextts.request import StageSeconds, Synthesis, SynthesisRequest
from indextts.sampling import SamplingOptions
from indextts.utils.audio_file import read_audio

TEXTS = {
    "short": "Hello, how are you today?",
    "medium": (
        "The morning train was late again, so we walked along the river and talked about "
        "everything that had happened since the summer."
    ),
    "mandarin": "今天早上的火车又晚点了，我们沿着河边散步，聊了聊夏天以来发生的所有事情。",
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-dir", type=Path, default=Path("models/IndexTTS"))
    parser.add_argument("--speaker", type=Path, required=True, help="a clip of the voice")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    parser.add_argument("--deepspeed", default="auto", choices=("auto", "off"))
    parser.add_argument("--quality", default="exact", choices=QUALITIES)
    parser.add_argument("--repeat", type=int, default=3, help="timed runs of each text")
    parser.add_argument(
        "--max-mel-tokens",
        type=int,
        default=1500,
        help="bound on codes: stand-in weights never stop",
    )
    parser.add_argument("--num-beams", type=int, default=3)
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(TEXTS))
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    start = time.perf_counter()
    engine = IndexTTS2(
        args.model_dir, args.device, args.precision, args.deepspeed, quality=args.quality
    )
    print(f"model: {args.model_dir} loaded in {time.perf_counter() - start:.1f} s")
    print(f"device: {engine.device} {engine.precision}, DeepSpeed: {engine.deepspeed_enabled}")
    print(f"quality: {engine.quality}; fast is {engine.fast_class}")
    print(f"machine: {processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    names = [field.name for field in fields(StageSeconds) if field.name != "emotion_text"]
    head = ["text", "audio s", *(f"{name} s" for name in names), "codes/s", "RTF"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    speaker = read_audio(args.speaker)
    for text in args.texts:
        request = SynthesisRequest(
            TEXTS[text],
            speaker,
            seed=1,
            sampling=SamplingOptions(max_mel_tokens=args.max_mel_tokens, num_beams=args.num_beams),
        )
        first = engine.synthesize(request)
        runs = [engine.synthesize(request) for _ in range(args.repeat)]
        # The reference is computed in the first run and remembered after it.
        rows = {"": runs, " (first)": [first]} if text == args.texts[0] else {"": runs}
        for note, results in rows.items():
            print(table_row(text + note, results, names))
    print(f"\npeak memory of the process: {peak_bytes() / 2**30:.2f} GiB")
    if engine.device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated(engine.device)
        print(f"peak memory of the device: {peak / 2**30:.2f} GiB")
    return 0


def table_row(name: str, results: list[Synthesis], stages: list[str]) -> str:
    """Medians over the runs."""
    audio = results[0].audio_seconds
    seconds = {
        stage: statistics.median(getattr(result.seconds, stage) for result in results)
        for stage in stages
    }
    codes = sum(len(segment.codes) for segment in results[0].segments)
    total = statistics.median(result.seconds.total for result in results)
    cells = [name, f"{audio:.2f}", *(f"{seconds[stage]:.3f}" for stage in stages)]
    return (
        "| " + " | ".join([*cells, f"{codes / seconds['gpt']:.1f}", f"{total / audio:.2f}"]) + " |"
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
