"""Measure the text front end: milliseconds of CPU time for 100 characters.

    python benchmarks/text_reading.py --model-dir models/IndexTTS

Ratios of one run can be compared; times of two runs only on an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from indextts.config import load_model_config
from indextts.errors import TextError
from indextts.model_files import find_model_dir, resolve_text_files
from indextts.request import NORMALIZATIONS
from indextts.stages.text import load_text_front_end

TEXTS = {
    "English": (
        "She asked the driver to wait for five minutes. The library will be closed for 3 weeks, "
        "and about 20% of the books cost $5.99 each. "
    ),
    "Mandarin": (
        "明天上午我要去医院看牙。桌子上的那杯茶已经凉了，花了15元。他在2023年5月3日买了3个苹果。"
    ),
    "digits": "1234567890",
    "fractions": "½",
    "codes": "a1",
    "signs": "-1.",
    "markup": "[a](b **",
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model-dir", type=Path, default=Path("auto"))
    parser.add_argument("--characters", type=int, default=2000, help="length of each text")
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many runs")
    return parser.parse_args()


def best_of(repeat: int, work: Callable[[], object]) -> float:
    """Seconds of CPU time."""
    seconds = []
    for _ in range(repeat):
        start = time.process_time()
        with contextlib.suppress(TextError):
            work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> int:
    args = parse_arguments()
    model_dir = find_model_dir(args.model_dir)
    config = load_model_config(model_dir / "config.yaml")
    files = resolve_text_files(model_dir, config)
    front_end = load_text_front_end(
        files.bpe, files.phonemes, files.glossary, segmentation=config.segmentation
    )
    sys.stdout.write(f"ms for 100 characters, {args.characters} characters at once\n")
    sys.stdout.write(f"{'':12}" + "".join(f"{name:>12}" for name in NORMALIZATIONS) + "\n")
    for name, unit in TEXTS.items():
        text = unit * (args.characters // len(unit))
        cells = ""
        for reader in NORMALIZATIONS:
            seconds = best_of(
                args.repeat,
                lambda text=text, reader=reader: front_end.segments(text, normalization=reader),
            )
            cells += f"{seconds * 1e5 / len(text):12.3f}"
        sys.stdout.write(f"{name:12}{cells}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
