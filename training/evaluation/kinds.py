"""How many errors each kind of text has, and how many files end in the middle of a sound."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indextts.utils.audio_file import read_audio
from training.workspace import Workspace, read_rows, write_atomically

log = logging.getLogger(__name__)

# What has more of the loudest level than this in its last moment ends inside a sound (-20 dB).
END_SECONDS, END_LEVEL = 0.02, 0.1
# No page takes as long; the reader would stop where a reference clip is not heard any more.
LONGEST_SECONDS = 600.0
MEAN = "mean of kinds"
# Language -> kind -> share of errors.
Shares = dict[str, dict[str, float]]


def ends_inside_a_sound(wave: NDArray[np.float32], rate: int) -> bool:
    """Whether the last 20 ms are nearly as loud as the loudest 20 ms."""
    size = int(END_SECONDS * rate)
    count = len(wave) // size
    if not count:
        return bool(np.abs(wave).max(initial=0.0) > 0)
    frames = wave[len(wave) - count * size :].astype(np.float64).reshape(count, size)
    levels = np.sqrt(np.square(frames).mean(axis=1))
    return bool(levels[-1] > END_LEVEL * levels.max())


def error_shares(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Shares:
    """Errors over units, by language and kind, and the mean of the kinds.

    Words in English, toneless syllables in Mandarin.  No text has more errors than units: a
    runaway is no worse than a text of which nothing is understood.

    Args:
        rows: the kind and the scorer's result of each text.
    """
    errors: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for kind, result in rows:
        chinese = result["language"] == "zh"
        units = result["syllables" if chinese else "units"]
        wrong = result["syllable_errors" if chinese else "errors"]
        total = errors[result["language"], kind]
        total[0] += min(wrong, units)
        total[1] += units
    found: Shares = defaultdict(dict)
    for (language, kind), (wrong, units) in errors.items():
        found[language][kind] = round(wrong / max(1, units), 4)
    for shares in found.values():
        shares[MEAN] = round(float(np.mean(list(shares.values()))), 4)
    return dict(found)


def report(work: Workspace, name: str, listings: Sequence[Path]) -> dict[str, Any]:
    """Gather scored runs over the same texts into ``NAME.json``, and log them as a table.

    Args:
        name: "everyday" or "final"; ``NAME-teacher`` is shown beside it where it is there.
        listings: of the runs, each with the scorer's ``scores.json`` beside it.
    """
    rows, inside, files = [], 0, 0
    for listing in listings:
        results = json.loads(listing.with_name("scores.json").read_text(encoding="utf-8"))["items"]
        for row, result in zip(read_rows(listing), results, strict=True):
            rows.append((str(row["kind"]), result))
            file = read_audio(listing.parent / row["audio"], max_seconds=LONGEST_SECONDS)
            inside += ends_inside_a_sound(file.mono(), file.sample_rate)
            files += 1
    found = {
        "errors": error_shares(rows),
        "ends_inside_a_sound": inside,
        "files": files,
        "runs": len(listings),
    }
    content = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    write_atomically(work.evaluation / f"{name}.json", content.encode("utf-8"))
    log.info("%s", "\n".join(table(found, load_report(work, f"{name}-teacher"))))
    return found


def load_report(work: Workspace, name: str) -> dict[str, Any] | None:
    """What :func:`report` has left; None where it has not run."""
    path = work.evaluation / f"{name}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(found: Mapping[str, Any], teacher: Mapping[str, Any] | None) -> list[str]:
    """Lines of Markdown: a row a kind, the mean, and the ends."""
    kinds = list(dict.fromkeys(kind for shares in found["errors"].values() for kind in shares))
    kinds.sort(key=lambda kind: kind == MEAN)
    columns = [found["errors"]] + ([teacher["errors"]] if teacher else [])
    lines = [
        "| | wer, English | syllable errors, Mandarin |" + " teacher, en | zh |" * bool(teacher),
        "| --- |" + " --- |" * (2 * len(columns)),
    ]
    for kind in kinds:
        shares = (column.get(lang, {}).get(kind) for column in columns for lang in ("en", "zh"))
        cells = ("" if share is None else f"{share:.1%}" for share in shares)
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    ends = f"{found['ends_inside_a_sound']} of {found['files']} files end inside a sound"
    if teacher:
        ends += f" (the teacher: {teacher['ends_inside_a_sound']} of {teacher['files']})"
    return [*lines, "", ends + "."]
