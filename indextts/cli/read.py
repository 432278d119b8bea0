"""Show how a text is read and cut into segments, without speaking it."""

from __future__ import annotations

import argparse

from indextts.cli.arguments import add_model_dir, add_option
from indextts.cli.standard_streams import given_text, say
from indextts.config import load_model_config
from indextts.errors import TextError
from indextts.model_files import find_model_dir, resolve_text_files
from indextts.options import MAX_TEXT_TOKENS, QUICK_TOKENS
from indextts.request import NORMALIZATIONS, Normalization
from indextts.stages.text import TextFrontEnd, load_text_front_end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``indextts read``."""
    parser.add_argument("text", help='what to read; "-" reads standard input')
    parser.add_argument(
        "--normalization",
        default="natural",
        choices=NORMALIZATIONS,
        help="how it is read (default %(default)s)",
    )
    parser.add_argument(
        "--compare", action="store_true", help="show the natural and the reference's reading"
    )
    parser.add_argument("--tokens", action="store_true", help="show the pieces of the vocabulary")
    parser.add_argument(
        "--no-pauses", dest="pauses", action="store_false", help="marks of pauses are text"
    )
    add_option(parser, MAX_TEXT_TOKENS)
    add_option(parser, QUICK_TOKENS)
    add_model_dir(parser)


def run(args: argparse.Namespace) -> int:
    """Print the readings; 0 when there is something to speak, else 1.

    Raises:
        IndexTTSError: the model directory cannot be used, or the text is not UTF-8.
    """
    text = given_text(args.text)
    model_dir = find_model_dir(args.model_dir)
    config = load_model_config(model_dir / "config.yaml")
    files = resolve_text_files(model_dir, config)
    front_end = load_text_front_end(
        files.bpe, files.phonemes, files.glossary, segmentation=config.segmentation
    )
    names: tuple[Normalization, ...] = (args.normalization,)
    if args.compare:
        names = ("natural", "reference")
    good = True
    for name in names:
        try:
            report = reading(
                front_end,
                text,
                name,
                max_tokens=min(args.max_text_tokens_per_segment, config.gpt.max_text_tokens - 1),
                quick_tokens=args.quick_streaming_tokens,
                tokens=args.tokens,
                pauses=args.pauses,
            )
        except TextError as error:
            report, good = f"  {error}\n", False
        heading = f"{name}\n" if args.compare else ""
        say(heading + report)
    return 0 if good else 1


def reading(
    front_end: TextFrontEnd,
    text: str,
    name: Normalization,
    *,
    max_tokens: int,
    quick_tokens: int,
    tokens: bool,
    pauses: bool = True,
) -> str:
    """One reader's segments, a line for each, and the pauses that the text asks for.

    Raises:
        TextError: nothing in the text can be spoken.
    """
    result = front_end.segments(text, max_tokens, quick_tokens, name, pauses=pauses)
    lines = []
    for number, segment in enumerate(result.segments, start=1):
        if segment.silence is not None:
            lines.append(_pause(segment.silence))
        size = f"{len(segment.pieces)} token{'s' if len(segment.pieces) > 1 else ''}"
        lines.append(f"  {number}/{len(result.segments)}  {size:>10}  {segment.spoken_text}")
        if tokens:
            lines.append(f"{'':19}{' '.join(segment.pieces)}")
    if result.silence:
        lines.append(_pause(result.silence))
    lines += (f"  {warning}" for warning in result.warnings())
    return "\n".join(lines) + "\n"


def _pause(milliseconds: int) -> str:
    return f"{'':19}[pause {milliseconds}ms]"
