"""Score a list with the project's scorer, which lies outside the repository."""

from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from training.workspace import read_rows, write_atomically

log = logging.getLogger(__name__)


def score(listing: Path, scorer: Path) -> int:
    """Run the scorer beside a list; its figures come to ``scores.json`` there.

    Returns:
        0, or 2 where the scorer could not be run; the sound files are there in any case.
    """
    if not scorer.is_file():
        log.error("training: no scorer at %s: give --scorer FILE; %s is ready", scorer, listing)
        return 2
    output = listing.parent / "scores.json"
    command = [sys.executable, str(scorer), str(listing), "--json", str(output), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not output.is_file():
        log.error("training: the scorer failed: %s", done.stderr.strip()[-2000:])
        return 2
    scores = json.loads(output.read_text(encoding="utf-8"))
    nearest = nearest_voice(listing, scorer)
    if nearest is not None:
        scores["summary"]["right_voice"] = nearest
        content = json.dumps(scores, ensure_ascii=False, indent=1)
        write_atomically(output, content.encode("utf-8"))
    log.info("%s", json.dumps(scores["summary"], ensure_ascii=False, indent=1))
    return 0


def nearest_voice(listing: Path, scorer: Path) -> dict[str, float] | None:
    """How often the wanted voice is the nearest among all voices of the list, by the scorer's own
    speaker encoder; None where the list names fewer than two voices.
    """
    rows = [row for row in read_rows(listing) if row.get("speaker")]
    clips = sorted({row["speaker"] for row in rows})
    if len(clips) < 2:
        return None
    tools = _module(scorer)
    encode = tools.SpeakerEncoder()
    centres = {clip: encode(tools.read_audio(clip)) for clip in clips}
    known = {clip: centre for clip, centre in centres.items() if centre is not None}
    right = 0
    for row in rows:
        own = encode(tools.read_audio(listing.parent / row["audio"]))
        if own is not None and known:
            right += max(known, key=lambda clip: float(own @ known[clip])) == row["speaker"]
    return {"share": round(right / len(rows), 3), "voices": len(clips)}


def _module(path: Path) -> Any:
    """The scorer's code, which is no package."""
    spec = importlib.util.spec_from_file_location("speech_scorer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
