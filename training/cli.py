"""The command line: one command a step, in the order of :data:`STEPS`."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from training.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from training.config import Recipe
    from training.steps.common import Setting

DEFAULT_WORK = Path("training-work")

log = logging.getLogger("training")


def _texts(args: argparse.Namespace, work: Workspace) -> int:
    from training.steps.texts import make_texts

    make_texts(work, args.wordnet, args.count, args.seed)
    return 0


def _speech(args: argparse.Namespace, work: Workspace) -> int:
    from training.steps.speech import make_speech

    make_speech(work, args.voices, args.hours, args.part, args.threads)
    return 0


def _timing(args: argparse.Namespace, work: Workspace) -> int:
    from training.steps.timing import make_timing

    make_timing(work, args.voices, args.threads)
    return 0


def _pack(args: argparse.Namespace, work: Workspace) -> int:
    from training.data.pack import pack, unpack

    if args.unpack:
        unpack(work, args.archive)
    else:
        pack(work, args.archive, args.megabytes, from_model=args.from_model)
    return 0


def _features(args: argparse.Namespace, work: Workspace) -> int:
    from training.data.features import make_features

    make_features(work, _recipe(args).sizes.model.s2mel.preprocess_params)
    return 0


def _relatives(args: argparse.Namespace, work: Workspace) -> int:
    from training.steps.relatives import make_relatives

    log.info("%d new", make_relatives(work))
    return 0


def _trained(step: str) -> Callable[[argparse.Namespace, Workspace], int]:
    """A training step: exit code 3 where the budget ended before it did."""

    def run(args: argparse.Namespace, work: Workspace) -> int:
        from training.loop import Budget
        from training.steps import codec, common, encoder, gpt, s2mel, style, vocoder

        trainers = {
            "encoder": encoder.train_encoder,
            "codec": codec.train_codec,
            "vocoder": vocoder.train_vocoder,
            "style": style.train_style,
            "gpt": gpt.train_gpt,
            "s2mel": s2mel.train_s2mel,
        }
        setting = common.open_setting(work, _recipe(args), _device(args))
        finished = trainers[step](setting, Budget(minutes=args.minutes))
        log.info("%s: %s", step, "done" if finished else "stopped by --minutes; run it again")
        return 0 if finished else 3

    return run


def _emotion(args: argparse.Namespace, work: Workspace) -> int:
    from training.steps.common import open_setting
    from training.steps.emotion import make_emotions

    make_emotions(open_setting(work, _recipe(args), _device(args)))
    return 0


def _export(args: argparse.Namespace, work: Workspace) -> int:
    from training.steps.export import export_model

    export_model(work, _recipe(args), args.output or work.model)
    return 0


def _evaluate(args: argparse.Namespace, work: Workspace) -> int:
    from training.evaluation import emotion, floor, quick, run, spelling, synthesis, texts

    model = args.model or work.model
    if args.what == "quick":
        quick.measure_quickly(model)
        return 0
    if args.what == "emotion":
        emotion.measure_emotion(work, model, args.voices)
        return 0
    if args.what in ("everyday", "final"):
        return _kinds(args, work, model)
    if args.what in ("resynthesis", "spelling", "stages"):
        from training.steps.common import open_setting

        setting = open_setting(work, _recipe(args), _device(args))
        if args.what == "stages":
            return _stages(args, setting, model)
        if args.what == "spelling":
            spelling.measure_spelling(setting, args.limit, args.runs)
            return 0
        listing = synthesis.resynthesize(setting, args.limit)
    elif args.what == "teacher":
        listing = floor.speak_floor(
            work, args.voices, texts.sentences(args.limit), "teacher", args.threads
        )
    else:
        listing = synthesis.speak_tests(work, model, args.voices, args.limit, args.extra)
        run.score(work.evaluation / "unseen" / "list.jsonl", args.scorer)
    return run.score(listing, args.scorer)


def _kinds(args: argparse.Namespace, work: Workspace, model: Path) -> int:
    """The texts of all kinds: spoken by the teacher where it has not, then by the model."""
    from training.evaluation import floor, kinds, run, synthesis, texts

    name, of_teacher = args.what, f"{args.what}-teacher"
    rows = (texts.final if name == "final" else texts.everyday)(args.limit)
    if kinds.load_report(work, of_teacher) is None and args.voices is not None:
        listing = floor.speak_floor(work, args.voices, rows, of_teacher, args.threads)
        if code := run.score(listing, args.scorer):
            return code
        kinds.report(work, of_teacher, [listing])
    listings = synthesis.speak_kinds(work, model, args.voices, rows, name, args.runs)
    for listing in listings:
        if code := run.score(listing, args.scorer):
            return code
    kinds.report(work, name, listings)
    return 0


def _stages(args: argparse.Namespace, setting: Setting, model: Path) -> int:
    """A table for each stage, with the teacher's figures beside where they are there."""
    from training.evaluation import kinds, run, stages

    for stage, listing in stages.speak_stages(setting, model, args.voices, args.limit).items():
        if code := run.score(listing, args.scorer):
            return code
        kinds.report(setting.work, f"stage-{stage}", [listing])
    return 0


def _import(args: argparse.Namespace, work: Workspace) -> int:
    from training.steps import common, import_model

    if not work.lexicon.is_file():
        import_model.take_words(work, args.model)
    import_model.take_weights(work, _recipe(args), args.model)
    try:
        setting = common.open_setting(work, _recipe(args), _device(args))
    except FileNotFoundError as error:
        log.info("%s; then import again", error)
        return 3
    import_model.make_caches(setting)
    return 0


def _examples(args: argparse.Namespace, work: Workspace) -> int:
    from training.evaluation.floor import make_teacher
    from training.evaluation.quick import make_mels
    from training.steps.examples import make_examples

    teacher = make_teacher(work, args.voices, args.threads)
    make_examples(teacher, args.output)
    make_mels(teacher, _recipe(args).sizes.model.s2mel.preprocess_params)
    return 0


def _status(args: argparse.Namespace, work: Workspace) -> int:
    from training.status import show

    show(work, _recipe(args), sys.stdout)
    return 0


STEPS: dict[str, tuple[Callable[[argparse.Namespace, Workspace], int], str]] = {
    "texts": (_texts, "lexicon, vocabulary, and who says what"),
    "speech": (_speech, "the teacher speaks it"),
    "timing": (_timing, "the teacher's timing of the sentences that it does not speak"),
    "relatives": (_relatives, "other voices out of these, by playing them faster or slower"),
    "pack": (_pack, "one file of it all for another machine, or (--unpack) back"),
    "features": (_features, "what the trainings read"),
    "encoder": (_trained("encoder"), "train the speech encoder"),
    "codec": (_trained("codec"), "train the codec on it"),
    "vocoder": (_trained("vocoder"), "train the vocoder (needs only features)"),
    "style": (_trained("style"), "train the speaker encoder (needs only features)"),
    "import": (_import, "go on from an exported model"),
    "gpt": (_trained("gpt"), "train the GPT (needs codec)"),
    "s2mel": (_trained("s2mel"), "train the acoustic model (needs gpt, style)"),
    "emotion": (_emotion, "make the emotion table"),
    "export": (_export, "write the model directory"),
    "evaluate": (_evaluate, "speak the test sentences and score them"),
    "examples": (_examples, "the teacher speaks the clips of examples/voices"),
    "status": (_status, "what is done; curves as PNG"),
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = top.add_subparsers(dest="step", required=True, metavar="STEP")
    for name, (_, text) in STEPS.items():
        own = commands.add_parser(name, help=text, description=text)
        own.add_argument("--work", type=Path, default=DEFAULT_WORK, help="folder of the run")
        own.add_argument("--recipe", choices=("demo", "gpu", "trial"), default="demo")
        own.add_argument("--device", default="auto", help="auto, cpu, cuda:0")
        own.add_argument("--threads", type=int, default=1, help="CPU threads")
        _own_options(own, name)
    return top


def _own_options(own: argparse.ArgumentParser, name: str) -> None:
    if name == "texts":
        own.add_argument("--count", type=int, default=12_000, help="sentences; 4200 are 3 hours")
        own.add_argument("--seed", type=int, default=1)
        own.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    elif name == "speech":
        own.add_argument("--hours", type=float, default=3.0)
        own.add_argument("--part", type=_part, default=(1, 1), metavar="I/N", help="of N processes")
    elif name == "pack":
        own.add_argument("archive", type=Path)
        own.add_argument("--unpack", action="store_true")
        own.add_argument("--megabytes", type=float, default=56.0, help="leave out sound beyond it")
        own.add_argument(
            "--from-model", action="store_true", help="without weights: import brings them there"
        )
    elif name == "export":
        own.add_argument("--output", type=Path, help="default WORK/demo")
    elif name == "evaluate":
        what = own.add_mutually_exclusive_group()
        for option, text in (
            ("resynthesis", "from true codes, before there is a GPT (the gate: WER 0.20)"),
            ("teacher", "the teacher itself: the scorer's floor"),
            ("emotion", "whether emotion clips move speed and pitch"),
            ("everyday", "the development set: texts of all kinds, the teacher's figures beside"),
            ("final", "the final test in the same way; no decision is made on it"),
            ("stages", "the same texts from the teacher's mel and codes: what each stage loses"),
            ("quick", "four sentences, how far their mel is from the teacher's; no scorer"),
            ("spelling", "the sounds that the GPT's codes spell, on the same texts, unheard"),
        ):
            own_help = {"action": "store_const", "const": option, "dest": "what", "help": text}
            what.add_argument(f"--{option}", **own_help)  # type: ignore[arg-type]
        own.add_argument("--limit", type=int, default=30, help="of each language (and kind)")
        own.add_argument("--runs", type=int, default=2, help="seeds of the texts of all kinds")
        own.add_argument("--extra", type=int, default=0, help="held-out sentences besides")
        own.add_argument("--model", type=Path, help="default WORK/demo")
        own.add_argument("--scorer", type=Path, default=Path("../shared/tools/score_speech.py"))
    elif name == "import":
        own.add_argument("model", type=Path, nargs="?", default=Path("models/demo"))
    elif name == "examples":
        own.add_argument("--output", type=Path, default=Path("examples/voices"))
    if name in ("speech", "timing", "evaluate", "examples"):
        own.add_argument("--voices", type=Path, default=None, help="folder of *.bin of kokoro-js")
    if name in ("encoder", "codec", "vocoder", "style", "gpt", "s2mel"):
        own.add_argument(
            "--minutes", type=float, default=math.inf, help="stop then; the next run goes on"
        )
        own.add_argument("--steps", type=int, help="instead of the recipe's")
        own.add_argument("--rate", type=float, help="greatest learning rate, likewise")
    if name == "gpt":
        own.add_argument(
            "--penalty", type=float, help="repetition penalty that will be decoded with (10)"
        )
        own.add_argument(
            "--hold-conditioner",
            action="store_true",
            help="keep the imported reading of clips, where there is little speech",
        )


def _part(text: str) -> tuple[int, int]:
    try:
        index, parts = (int(number) for number in text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N") from None
    if not 1 <= index <= parts:
        raise argparse.ArgumentTypeError(f"{text!r}: I must be 1 to N")
    return index, parts


def _recipe(args: argparse.Namespace) -> Recipe:
    from dataclasses import replace

    from training.config import RECIPES

    recipe = RECIPES[args.recipe]()
    for name in ("steps", "rate"):
        value = getattr(args, name, None)
        if value is not None:
            schedule = replace(getattr(recipe, args.step), **{name: value})
            recipe = replace(recipe, **{args.step: schedule})
    penalty = getattr(args, "penalty", None)
    if penalty is not None:
        recipe = replace(recipe, penalty=penalty)
    return replace(recipe, hold_conditioner=getattr(args, "hold_conditioner", False))


def _device(args: argparse.Namespace) -> torch.device:
    from indextts.stages.device import choose_device

    return choose_device(args.device)


def main(argv: list[str] | None = None) -> int:
    """Run a step; 0 done, 2 something is missing, 3 to be gone on with."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    args = parser().parse_args(argv)
    import torch

    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high")
    work = Workspace(args.work)
    try:
        return STEPS[args.step][0](args, work)
    except (FileNotFoundError, ModuleNotFoundError, ValueError) as error:
        log.error("training: %s", error)
        return 2
