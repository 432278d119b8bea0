"""``indextts "text" --speaker voice.wav``: speak a text from the command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from indextts.model_files import AUTO, MODEL_DIRS
from indextts.request import NORMALIZATIONS

if TYPE_CHECKING:
    from indextts.request import Progress, Synthesis


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the default action."""
    parser.add_argument("text", nargs="?", help='what to speak; "-" reads standard input')
    parser.add_argument("--text", dest="text_option", metavar="TEXT", help=argparse.SUPPRESS)
    voice = parser.add_argument_group("voice and emotion")
    voice.add_argument("--speaker", "-s", type=Path, metavar="FILE", help="a clip of the voice")
    voice.add_argument("--emotion", "-e", type=Path, metavar="FILE", help="a clip of the emotion")
    voice.add_argument(
        "--emo-alpha", type=float, default=1.0, metavar="A", help="strength, 0 to 1 (default 1)"
    )
    voice.add_argument(
        "--emo-vector",
        type=_vector,
        metavar="8 NUMBERS",
        help="happy,angry,sad,afraid,disgusted,melancholic,surprised,calm, with commas",
    )
    voice.add_argument("--emo-text", metavar="TEXT", help="read the emotion from this text")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", "-o", type=Path, default=Path("out.wav"), metavar="FILE", help="default out.wav"
    )
    output.add_argument("--seed", type=int, metavar="N", help="repeat a result exactly")
    output.add_argument(
        "--interval-silence",
        type=int,
        default=200,
        metavar="MS",
        help="pause between segments (default %(default)s)",
    )
    output.add_argument("--quiet", "-q", action="store_true", help="no progress bar")
    sampling = parser.add_argument_group(
        "how codes are drawn",
        "Without these the model's own defaults hold; the official ones are shown.",
    )
    sampling.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="higher is more varied (0.8)",
    )
    sampling.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help="share of the probability that is drawn from (0.8)",
    )
    sampling.add_argument(
        "--top-k",
        type=int,
        metavar="K",
        help="number of codes that are drawn from, 0 for all (30)",
    )
    sampling.add_argument(
        "--num-beams",
        type=int,
        metavar="B",
        help="beams of the search, 1 is fastest (3)",
    )
    sampling.add_argument(
        "--repetition-penalty",
        type=float,
        metavar="R",
        help="above 1 discourages repetition (10)",
    )
    sampling.add_argument(
        "--max-mel-tokens",
        type=int,
        metavar="N",
        help="longest segment in codes (1500)",
    )
    sampling.add_argument(
        "--max-text-tokens-per-segment",
        type=int,
        default=120,
        metavar="N",
        help="longest segment in text tokens (default %(default)s)",
    )
    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--model-dir",
        type=Path,
        default=Path(AUTO),
        metavar="DIR",
        help=f"default: {MODEL_DIRS[0]}, or {MODEL_DIRS[1]} while that is empty",
    )
    engine.add_argument("--device", default="auto", help="auto, cpu, cuda:0, ...")
    engine.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    engine.add_argument("--deepspeed", default="auto", choices=("auto", "off"))
    engine.add_argument(
        "--normalization",
        default="natural",
        choices=NORMALIZATIONS,
        help='how the text is read; "indextts read TEXT --compare" shows it (default %(default)s)',
    )
    engine.add_argument(
        "--verbalizer",
        default="wetext",
        choices=("wetext", "wetextprocessing"),
        help="reads numbers and signs for --normalization reference",
    )


def run(args: argparse.Namespace) -> int:
    """Speak; returns the exit code.

    Raises:
        IndexTTSError: anything that the caller can mend.
    """
    text = args.text_option or args.text
    if text is None or args.speaker is None:
        sys.stderr.write("indextts: error: give a text and --speaker FILE (see --help)\n")
        return 2
    if text == "-":
        text = sys.stdin.read()
    # Threads that spin while they wait cost seconds where anything else runs on the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # These bring torch along, which reads the above and which --help must not wait for.
    from indextts.infer_v2 import IndexTTS2
    from indextts.request import Control, SynthesisRequest
    from indextts.sampling import SamplingChanges
    from indextts.utils.audio_file import read_audio, write_wav

    request = SynthesisRequest(
        text=text,
        speaker=read_audio(args.speaker),
        emotion=None if args.emotion is None else read_audio(args.emotion),
        emo_alpha=args.emo_alpha,
        emo_vector=args.emo_vector,
        emo_text=args.emo_text,
        seed=args.seed,
        interval_silence=args.interval_silence,
        max_text_tokens_per_segment=args.max_text_tokens_per_segment,
        sampling=SamplingChanges(
            temperature=args.temperature,
            top_p=args.top_p,
            top_k=args.top_k,
            num_beams=args.num_beams,
            repetition_penalty=args.repetition_penalty,
            max_mel_tokens=args.max_mel_tokens,
        ),
    )
    engine = IndexTTS2(
        args.model_dir,
        args.device,
        args.precision,
        args.deepspeed,
        verbalizer=args.verbalizer,
        normalization=args.normalization,
    )
    if engine.model_notice:
        sys.stderr.write(f"indextts: {engine.model_dir}: {engine.model_notice}\n")
    with ProgressBar(quiet=args.quiet) as bar:
        result = engine.synthesize(request, Control(progress=bar.update))
    write_wav(args.output, result.waveform, result.sample_rate)
    for warning in result.warnings:
        sys.stderr.write(f"indextts: warning: {warning}\n")
    sys.stdout.write(_summary(args.output, result))
    return 0


class ProgressBar:
    """One bar for the stage that runs; a decode has no known end, so its bar may stop early."""

    def __init__(self, *, quiet: bool) -> None:
        self._bar: tqdm[Any] | None = None
        self._stage: tuple[str, int] | None = None
        self._quiet = quiet

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, progress: Progress) -> None:
        stage = (progress.stage, progress.first_segment)
        if stage != self._stage:
            self.__exit__()
            names = {"gpt": "speaking", "s2mel": "voicing"}
            title = names.get(progress.stage, progress.stage)
            if progress.segments > 1:
                last = progress.last_segment + 1
                title += f" {progress.first_segment + 1}-{last}/{progress.segments}"
            self._bar = tqdm(total=progress.total, desc=title, disable=self._quiet, leave=False)
            self._stage = stage
        if self._bar is not None:
            self._bar.update(progress.done + 1 - self._bar.n)


def _summary(path: Path, result: Synthesis) -> str:
    seconds = result.seconds.total
    return (
        f"{path}: {result.audio_seconds:.2f} s of audio in {seconds:.2f} s "
        f"(RTF {seconds / result.audio_seconds:.2f}), seed {result.seed}\n"
    )


def _vector(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None
    if len(values) != 8:
        raise argparse.ArgumentTypeError(f"8 numbers are needed, got {len(values)}")
    return values
