"""What stored voices cost: listing many, and speaking with one for the first time.

    python benchmarks/voices.py                          # listing
    python benchmarks/voices.py --model-dir models/demo  # and encoding

Compare the columns of one run, not seconds between machines.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app import create_app
from app.clips.decode import decode_audio
from app.clips.limits import ClipLimits
from app.settings import Settings
from app.voices.store import VoiceStore
from app.voices.voice import Sidecar
from indextts.utils.cpu_process import tune_process

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "voices"
COUNTS = (1, 20, 200, 2000)
TEXT = "Good morning."
LIMITS = ClipLimits(max_bytes=20 << 20, max_seconds=60.0, max_channels=8)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-dir", type=Path, help="also measure the encoding by this model")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS)
    options = parser.parse_args(arguments)
    sys.stdout.write("| voices | first list ms | list ms | GET ms | find and read ms |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- |\n")
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            times = listing(Path(folder), count, options.repeat)
        cells = " | ".join(f"{1000 * seconds:.2f}" for seconds in times)
        sys.stdout.write(f"| {count} | {cells} |\n")
    if options.model_dir is not None:
        encoding(options.model_dir, options.repeat)
    return 0


def listing(folder: Path, count: int, repeat: int) -> tuple[float, float, float, float]:
    """Seconds to list `count` voices with a new store, with one that knows them, over HTTP without
    a socket, and to read one of them."""
    clip = (EXAMPLES / "en_female.flac").read_bytes()
    for number in range(count):
        (folder / f"voice-{number}.flac").write_bytes(clip)
        sidecar = Sidecar(f"voice-{number}", "en", "A voice", "For a benchmark", "0" * 64)
        (folder / f"voice-{number}.json").write_bytes(sidecar.to_json())
    store = VoiceStore(folder)
    first = seconds_of(store.listing)
    client = create_app(dataclasses.replace(Settings(), voices_dir=str(folder))).test_client()
    return (
        first,
        median(store.listing, repeat),
        median(lambda: client.get("/v1/audio/voices"), repeat),
        median(lambda: store.read("voice-0"), repeat),
    )


def encoding(model_dir: Path, repeat: int) -> None:
    """For each bundled voice: reading and decoding it, the model's encoding at the first request,
    and at the next, which remembers it."""
    # As the service does.
    tune_process(os.environ)
    from indextts.infer_v2 import IndexTTS2
    from indextts.request import SynthesisRequest

    engine = IndexTTS2(model_dir)
    store = VoiceStore(EXAMPLES)

    def request_of(name: str) -> SynthesisRequest:
        return SynthesisRequest(TEXT, decode_audio(store.read(name), LIMITS), seed=1)

    def reference_seconds(request: SynthesisRequest) -> tuple[float, float]:
        with engine.stream(request) as stream:
            for _ in stream:
                pass
            return stream.seconds.reference, stream.seconds.total

    sys.stdout.write("\n| voice | clip s | decode ms | encode ms | remembered ms | the rest ms |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- | --- |\n")
    reference_seconds(request_of("zh_male"))  # the first of all also warms the libraries up
    for name in store.names():
        request = request_of(name)
        decode = median(lambda name=name: request_of(name), repeat)  # type: ignore[misc]
        first: list[float] = []
        for _ in range(repeat):
            engine.release_memory()
            first.append(reference_seconds(request)[0])
        again, total = reference_seconds(request)
        rest = total - again
        clip = request.speaker
        cells = (decode, statistics.median(first), again, rest)
        shown = " | ".join(f"{1000 * seconds:.2f}" for seconds in cells)
        length = len(clip.samples) / clip.sample_rate
        sys.stdout.write(f"| {name} | {length:.1f} | {shown} |\n")


def median(work: Callable[[], object], repeat: int) -> float:
    """Median of the seconds of `repeat` runs."""
    return statistics.median(seconds_of(work) for _ in range(repeat))


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
