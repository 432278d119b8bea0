"""Step ``status``: how far each step has come, and its curves."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, TextIO

from training.config import Recipe
from training.data.spoken import spoken
from training.model_card import last_curve_step
from training.workspace import Workspace, read_rows

TRAINED = ("encoder", "codec", "vocoder", "style", "gpt", "s2mel")


def show(work: Workspace, recipe: Recipe, out: TextIO) -> None:
    """Write a table, and ``curves/*.png`` where matplotlib is installed."""
    rows = list(spoken(work))
    hours = sum(row.seconds for row in rows) / 3600
    out.write(f"speech     {len(rows)} utterances, {hours:.2f} h\n")
    for step in TRAINED:
        schedule = getattr(recipe, step)
        done = "done" if work.weights(step).is_file() else ""
        out.write(f"{step:10} {last_curve_step(work, step)} of {schedule.steps} steps {done}\n")
    for name, path in (("emotion", work.cache("emotions")), ("export", work.model / "config.yaml")):
        out.write(f"{name:10} {'done' if path.is_file() else 'to do'}\n")
    for path in plot(work):
        out.write(f"{path}\n")


def plot(work: Workspace) -> list[Path]:
    """A picture for each curve; none without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    from matplotlib.figure import Figure

    made = []
    for step in TRAINED:
        rows = list(read_rows(work.curve(step)))
        series = _series(rows)
        if not series:
            continue
        figure = Figure(figsize=(3.2 * len(series), 2.6), layout="constrained")
        for axes, (name, points) in zip(
            figure.subplots(1, len(series), squeeze=False)[0], series.items(), strict=True
        ):
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                linewidth=0.8,
                marker=_marker(points),
            )
            axes.set_title(f"{step}: {name}", fontsize=8)
            axes.tick_params(labelsize=7)
        path = work.curve(step).with_suffix(".png")
        figure.savefig(path, dpi=110)
        made.append(path)
    return made


def _marker(points: list[tuple[int, float]]) -> str:
    """A few points need one to be seen."""
    return "." if len(points) < 20 else ""


def _series(rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Points by name; held-out figures under "valid NAME"."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        step = int(row["step"])
        plain = {k: v for k, v in row.items() if k not in ("step", "valid", "gradient")}
        for key, value in (
            *plain.items(),
            *((f"valid {k}", v) for k, v in row.get("valid", {}).items()),
        ):
            found.setdefault(key, []).append((step, float(value)))
    return found
