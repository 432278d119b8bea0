"""``indextts "text"``: speak a text from the command line."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from indextts.cli.arguments import add_model_dir, add_option
from indextts.cli.outputs import STDOUT, Output, SubtitleOutput, open_output
from indextts.cli.progress import ProgressBar
from indextts.cli.standard_streams import given_text, require_unicode, say
from indextts.errors import RequestError
from indextts.model_files import HOME
from indextts.options import (
    EMO_ALPHA,
    INTERVAL_SILENCE,
    MAX_SEED,
    MAX_TEXT_TOKENS,
    OPTIONS,
    QUICK_TOKENS,
    SPEED,
    STREAM_QUICK_TOKENS,
)
from indextts.quality import QUALITIES
from indextts.request import NORMALIZATIONS, Control, SegmentAudio, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.utils.cpu_process import tune_process

if TYPE_CHECKING:
    from indextts.stream import SpeechStream

# Clips that a checkout brings along.
VOICES = HOME / "examples" / "voices"
_HAN = re.compile("[\u3400-\u9fff]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the default action."""
    parser.add_argument("text", nargs="?", help='what to speak; "-" reads standard input')
    parser.add_argument("--text", dest="text_option", metavar="TEXT", help=argparse.SUPPRESS)
    voice = parser.add_argument_group("voice and emotion")
    voice.add_argument(
        "--speaker",
        "-s",
        type=Path,
        metavar="FILE",
        help="a clip of the voice, best 3 to 10 s (default: one of examples/voices)",
    )
    voice.add_argument("--emotion", "-e", type=Path, metavar="FILE", help="a clip of the emotion")
    add_option(voice, EMO_ALPHA)
    voice.add_argument(
        "--emo-vector",
        type=_vector,
        metavar="8 NUMBERS",
        help="happy,angry,sad,afraid,disgusted,melancholic,surprised,calm, with commas; best with "
        "a sum of 0.8 or less",
    )
    voice.add_argument("--emo-text", metavar="TEXT", help="read the emotion from this text")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        "-o",
        default="out.wav",
        metavar="FILE",
        help='.wav, .flac, .mp3, .ogg or .opus; "-" writes a WAV to standard output while it is '
        "being made (default %(default)s)",
    )
    output.add_argument(
        "--subtitles", type=Path, metavar="FILE", help=".srt or .vtt, with the time of each segment"
    )
    output.add_argument("--seed", type=_seed, metavar="N", help="repeat a result exactly")
    add_option(output, SPEED)
    add_option(output, INTERVAL_SILENCE)
    add_option(output, MAX_TEXT_TOKENS)
    add_option(output, QUICK_TOKENS, f"{QUICK_TOKENS.default}; {STREAM_QUICK_TOKENS} with -o -")
    output.add_argument(
        "--no-pauses",
        dest="pauses",
        action="store_false",
        help='read "[pause 500ms]", "<break ...>" and blank lines as text, not as silence',
    )
    output.add_argument("--quiet", "-q", action="store_true", help="no progress bar")
    sampling = parser.add_argument_group(
        "how codes are drawn",
        "Without these the model's own defaults hold; the official ones are shown.",
    )
    for option in OPTIONS:
        if option.of_decoder:
            add_option(sampling, option)
    engine = parser.add_argument_group("engine")
    add_model_dir(engine)
    engine.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default %(default)s)"
    )
    engine.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"))
    engine.add_argument(
        "--quality",
        default="exact",
        choices=QUALITIES,
        help="fast leaves out what is hard to hear (default %(default)s)",
    )
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
        choices=("wetext", "wetextprocessing", "none"),
        help="reads numbers and signs for --normalization reference; none: the text is all words",
    )
    # A pipe is for listening at once, unless the caller says otherwise.
    parser.set_defaults(**{QUICK_TOKENS.name: None})


def run(args: argparse.Namespace) -> int:
    """Speak; returns the exit code.

    Raises:
        IndexTTSError: anything that the caller can mend.
    """
    text = args.text if args.text_option is None else args.text_option
    if text is None:
        sys.stderr.write("indextts: error: give a text (see --help)\n")
        return 2
    if None not in (args.text, args.text_option):
        sys.stderr.write("indextts: error: give the text once, with --text or without it\n")
        return 2
    # What cannot be written is refused before the work.
    outputs = [open_output(args.output)]
    if args.subtitles is not None:
        outputs.append(SubtitleOutput(args.subtitles))
    tune_process(os.environ, stays=False)
    request = _request(args, given_text(text))
    from indextts.infer_v2 import IndexTTS2

    engine = IndexTTS2(
        args.model_dir,
        args.device,
        args.precision,
        args.deepspeed,
        verbalizer=args.verbalizer,
        normalization=args.normalization,
        quality=args.quality,
        # It speaks once: there is no other request to spare anything.
        warm_up=False,
    )
    if engine.model_notice:
        sys.stderr.write(f"indextts: {engine.model_dir}: {engine.model_notice}\n")
    started = time.perf_counter()
    with (
        ProgressBar(quiet=args.quiet) as bar,
        engine.stream(request, Control(progress=bar.update)) as stream,
    ):
        heard = _write(stream, outputs)
    seconds = time.perf_counter() - started
    for warning in stream.warnings:
        sys.stderr.write(f"indextts: warning: {warning}\n")
    names = " and ".join(output.name for output in outputs)
    summary = (
        f"{names}: {heard:.2f} s of audio in {seconds:.2f} s "
        f"(RTF {seconds / heard:.2f}), seed {stream.seed}\n"
    )
    if args.output == STDOUT:
        sys.stderr.write(summary)
    else:
        say(summary)
    return 0


def _write(stream: SpeechStream, outputs: Sequence[Output]) -> float:
    """Hand all sound to all outputs as soon as it is there; seconds of it."""
    seconds = 0.0
    while (sound := stream.next_sound()) is not None:
        for output in outputs:
            output.write(sound)
        if isinstance(sound, SegmentAudio):
            seconds += sound.audio_seconds
    for output in outputs:
        output.finish()
    return seconds


def _request(args: argparse.Namespace, text: str) -> SynthesisRequest:
    # Brings torch along, which reads OMP_WAIT_POLICY and which --help must not wait for.
    from indextts.utils.audio_file import read_audio

    quick = args.quick_streaming_tokens
    if quick is None:
        quick = STREAM_QUICK_TOKENS if args.output == STDOUT else QUICK_TOKENS.default
    return SynthesisRequest(
        text=text,
        speaker=read_audio(args.speaker or _default_voice(text)),
        emotion=None if args.emotion is None else read_audio(args.emotion),
        emo_alpha=args.emo_alpha,
        emo_vector=args.emo_vector,
        emo_text=None if args.emo_text is None else require_unicode(args.emo_text, "--emo-text"),
        seed=args.seed,
        speed=args.speed,
        pauses=args.pauses,
        interval_silence=args.interval_silence,
        max_text_tokens_per_segment=args.max_text_tokens_per_segment,
        quick_streaming_tokens=quick,
        sampling=SamplingChanges(
            **{option.name: getattr(args, option.name) for option in OPTIONS if option.of_decoder}
        ),
    )


def _default_voice(text: str) -> Path:
    path = VOICES / ("zh_female.flac" if _HAN.search(text) else "en_female.flac")
    if not path.is_file():
        raise RequestError("give the voice with --speaker FILE: a clip of 3 to 10 seconds")
    sys.stderr.write(f"indextts: the voice is {path.name} (--speaker FILE takes another)\n")
    return path


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_SEED}")
    return int(text)


def _vector(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None
    if len(values) != 8:
        raise argparse.ArgumentTypeError(f"8 numbers are needed, got {len(values)}")
    return values
