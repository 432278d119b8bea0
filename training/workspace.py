"""Where everything of a training run lies: one folder outside git."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Utterance:
    """One sentence in one voice.

    Attributes:
        name: unique, also the name of the sound file.
        text: as written.
        language: "en" or "zh".
        phonemes: what the lexicon reads, with blanks between.
        voice: name of the teacher's voice.
        split: "train"; "valid" (seen voice, held-out sentence); "unseen" (held-out voice).
        manner: "plain", "fast", "slow", "high" or "low".
        seconds: length of the sound; 0 until it is made.
        start: seconds at which the first phoneme begins.
        ends: seconds at which each phoneme ends, where that is known.
        pitch: Hz in the middle of each semantic frame, 0 without voice; empty where not known.
    """

    name: str
    text: str
    language: str
    phonemes: str
    voice: str
    split: str
    manner: str
    seconds: float = 0.0
    start: float = 0.0
    ends: tuple[float, ...] = ()
    pitch: tuple[int, ...] = ()


@dataclass(frozen=True)
class Workspace:
    """Paths of a run."""

    root: Path

    @property
    def lexicon(self) -> Path:
        return self.root / "phonemes.txt.gz"

    @property
    def texts(self) -> Path:
        return self.root / "texts.jsonl"

    @property
    def speech(self) -> Path:
        """The list of what has been spoken; the sound files lie in :meth:`audio`."""
        return self.root / "speech.jsonl"

    @property
    def timing(self) -> Path:
        """The list of what has a timing but no sound."""
        return self.root / "timing.jsonl"

    def audio(self, name: str) -> Path:
        return self.root / "audio" / f"{name}.ogg"

    def cache(self, name: str) -> Path:
        return self.root / "cache" / f"{name}.pt"

    def state(self, step: str) -> Path:
        """Everything needed to go on with a step."""
        return self.root / "state" / f"{step}.pt"

    def weights(self, step: str) -> Path:
        """What later steps and the export read."""
        return self.root / "weights" / f"{step}.pt"

    def curve(self, step: str) -> Path:
        return self.root / "curves" / f"{step}.jsonl"

    @property
    def model(self) -> Path:
        return self.root / "demo"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation"


def write_atomically(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON-lines file; nothing where there is no file.

    A last line that a crash has cut off is passed over.
    """
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def append_row(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_utterances(path: Path) -> list[Utterance]:
    return [
        Utterance(**row | {key: tuple(row.get(key, ())) for key in ("ends", "pitch")})
        for row in read_rows(path)
    ]


def write_utterances(path: Path, rows: Iterable[Utterance]) -> None:
    lines = (json.dumps(asdict(row), ensure_ascii=False) for row in rows)
    write_atomically(path, ("\n".join(lines) + "\n").encode("utf-8"))
