"""The card of the exported model: what it is, from what, how good, what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.config import Recipe
from training.data.spoken import is_relative, spoken
from training.evaluation.kinds import load_report, table
from training.workspace import Workspace, read_rows, read_utterances

# Below these the checkpoint may be the default (issue "A small checkpoint of our own").
MAX_WER, MAX_SYLLABLE_ERROR = 0.25, 0.30

CARD = """\
# Demonstration model of indextts-service

A very small checkpoint of the IndexTTS2 architecture, made by `python -m training` in this
repository. It is there so that a machine without the official weights can speak at all. It is no
substitute for them: fetch those with `indextts download`.

Licence: MIT, like the repository. {verdict}

## Data
Synthetic speech only, no recordings of people. The last run heard {hours:.2f} h of it, {sentences}
sentences in {voices} voices (American and British English, Mandarin), and was told when and how
high the same voices would say {timed} texts more. Teacher: Kokoro-82M (Apache-2.0), 8-bit. English
sentences: examples in WordNet 3.0 (Princeton University, WordNet licence). Mandarin sentences:
templates of ours over the dictionary of jieba (MIT). Readings: misaki's American dictionary
(Apache-2.0) and pypinyin's tables (MIT); both are part of `phonemes.txt.gz`.

## Training
Steps of the last run: {steps}. Seed {seed}.
Some parts went on from an earlier model; that and all else about the run: training/README.md.

## Quality
{quality}

## Limits
- Trained on synthetic speech only, in few voices: a voice unlike those is imitated badly.
- Words outside the dictionary are read by letter rules, which are right for half of them.
- A Chinese character with several readings is read by the word around it only if that is listed.
- "Emotion" means what the teacher can vary: faster, slower, higher, lower.
  Loudness of a reference clip is not heard.
{limits}"""

ONE_STEP = """\
- Its acoustic model takes a single step: what its codes do not say comes out as the middle of all
  likely spectra, so voices are duller than in life.
"""
UNMOVED = "- Emotion clips and vectors are accepted and change next to nothing.\n"
FLAT = "- A higher emotion clip raises nothing.\n"
# Ratio of pitches with a high and with a low emotion clip.
LEAST_RISE = 1.05
# Ratio of lengths with a slow and with a fast emotion clip.
LEAST_MOVE = 1.1


def write_card(work: Workspace, recipe: Recipe, path: Path) -> None:
    """Write the card with what is known about this run."""
    rows = [row for row in spoken(work) if row.split == "train" and not is_relative(row)]
    steps = {
        name: last_curve_step(work, name)
        for name in ("encoder", "codec", "vocoder", "style", "gpt", "s2mel")
    }
    summary = _summary(work)
    text = CARD.format(
        verdict=_verdict(summary),
        hours=sum(row.seconds for row in rows) / 3600,
        sentences=len(rows),
        voices=len({row.voice for row in rows}),
        timed=len(read_utterances(work.timing)),
        steps=", ".join(f"{name} {count}" for name, count in steps.items()),
        seed=recipe.seed,
        quality=_quality(work),
        limits=_limits(work, recipe),
    )
    path.write_text(text, encoding="utf-8")


def _summary(work: Workspace, folder: str = "tests") -> dict[str, Any]:
    path = work.evaluation / folder / "scores.json"
    if not path.is_file():
        return {}
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["summary"]
    return summary


def _verdict(summary: dict[str, Any]) -> str:
    wer = summary.get("en", {}).get("wer")
    syllables = summary.get("zh", {}).get("syllable_error_rate")
    if wer is None or syllables is None:
        return "**It has not been scored: do not make it a default.**"
    bound = (
        f"word errors of at most {MAX_WER:.0%} in English, syllable errors of at most "
        f"{MAX_SYLLABLE_ERROR:.0%} in Mandarin"
    )
    if wer <= MAX_WER and syllables <= MAX_SYLLABLE_ERROR:
        return f"Good enough to try the service with ({bound}): expect to miss words."
    return f"**Not good enough to be a default** ({bound})."


def _quality(work: Workspace) -> str:
    rows = [
        _row(name, summary)
        for name, folder in (
            ("this model, voices it was trained on", "tests"),
            ("this model, other voices", "unseen"),
            ("the teacher itself", "teacher"),
        )
        if (summary := _summary(work, folder))
    ]
    if not rows:
        return "Not measured. `python -m training evaluate`, then export again."
    return "\n".join(
        (
            "Errors of Whisper-base on 30 sentences of each language that were not trained on, and",
            "how like the clip's voice they sound (cosine of GE2E embeddings):",
            "",
            "| | wer, English | syllable errors, Mandarin | similarity | nearest voice is right |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            *_kinds(work),
            *_other_figures(work),
        )
    )


def _kinds(work: Workspace) -> list[str]:
    """The tables of the texts of all kinds, where they have been spoken."""
    lines = []
    for name, what in (("final", "the final test"), ("everyday", "the development set")):
        found = load_report(work, name)
        if found is None:
            continue
        lines += [
            f"Errors by kind of text ({found['files']} files of {what}, {_draws(found['runs'])});",
            "a text counts no worse than one of which nothing is understood:",
            "",
            *table(found, load_report(work, f"{name}-teacher")),
            "",
        ]
    return lines


def _draws(runs: int) -> str:
    return "one draw" if runs == 1 else f"{runs} draws"


def _limits(work: Workspace, recipe: Recipe) -> str:
    found = ONE_STEP if recipe.sizes.model.s2mel.diffusion_steps == 1 else ""
    path = work.evaluation / "tests" / "emotion.json"
    if path.is_file():
        moved = json.loads(path.read_text(encoding="utf-8"))
        found += UNMOVED if moved.get("slow_to_fast", 0.0) < LEAST_MOVE else ""
        found += FLAT if moved.get("high_to_low", 0.0) < LEAST_RISE else ""
    return found


def _row(name: str, summary: dict[str, Any]) -> str:
    voice = summary.get("right_voice", {})
    nearest = f"{voice['share']:.0%} of {voice['voices']}" if voice else ""
    return (
        f"| {name} | {summary.get('en', {}).get('wer', '')} "
        f"| {summary.get('zh', {}).get('syllable_error_rate', '')} "
        f"| {summary.get('similarity', '')} | {nearest} |"
    )


def _other_figures(work: Workspace) -> list[str]:
    found = []
    for name in ("speed", "emotion"):
        path = work.evaluation / "tests" / f"{name}.json"
        if path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            found.append(f"- {name}: " + ", ".join(f"{k} {v}" for k, v in content.items()))
    return found


def last_curve_step(work: Workspace, step: str) -> int:
    """How far a training has come by its curve."""
    return max((int(row["step"]) for row in read_rows(work.curve(step))), default=0)
