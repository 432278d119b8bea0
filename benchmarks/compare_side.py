"""One side of ``compare.py``: a checkout's engine in a process of its own.

Started by ``compare.py`` with that checkout as its working folder and a :class:`Task` in JSON as
its argument.  Answers on standard output, a line of JSON each: ``{"seconds", "peak_bytes"}`` when
the model is loaded, then for each line that it reads ``{"seconds", "peak_bytes", "stages": {NAME:
seconds}, "audio_seconds", "codes"}``, where all but ``seconds`` may be missing.  Whatever else the
engine prints goes to standard error.  Two interfaces are known:

- this repository's: ``IndexTTS2(model_dir)``, ``synthesize(SynthesisRequest(...))``, in any commit
  that has them; seconds of the stages come with the result;
- the reference implementation's: ``IndexTTS2(cfg_path=..., model_dir=...)``, ``infer(...)``;
  seconds of the stages are read from what it prints, ``NAME_time: 1.23``.

Nothing but the standard library, and what the checkout brings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import json
import os
import re
import resource
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What others call our stages.
STAGE_NAMES = {"gpt_gen": "gpt", "gpt_forward": "gpt", "bigvgan": "vocoder"}
PRINTED = re.compile(r"\b([A-Za-z0-9]+(?:_[A-Za-z0-9]+)*?)_time\b\s*[:=]\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Task:
    """What both sides do; None leaves a number to the engine."""

    model_dir: str
    speaker: str
    text: str
    seed: int
    device: str
    threads: int
    max_mel_tokens: int | None
    num_beams: int | None
    quality: str | None
    weights: str | None = None


@dataclass(frozen=True)
class Spoken:
    """A run: seconds by stage, and of the sound; `codes` where they are known."""

    stages: dict[str, float]
    audio_seconds: float
    codes: int | None


Speak = Callable[[], Spoken]


def printed_stages(text: str) -> dict[str, float]:
    """Seconds by stage in what an engine has printed; its total is not one of them."""
    found: dict[str, float] = {}
    for name, seconds in PRINTED.findall(text):
        name = name.lower()
        if "total" not in name:
            stage = STAGE_NAMES.get(name, name)
            found[stage] = found.get(stage, 0.0) + float(seconds)
    return found


def our_engine(task: Task, kind: Any) -> Speak:
    """Of a commit of this repository."""
    from indextts import sampling
    from indextts.request import SynthesisRequest
    from indextts.utils.audio_file import read_audio

    # The engine's own class: it holds no other then.
    own: dict[str, Any] = {} if task.quality is None else {"quality": task.quality}
    if task.weights is not None:
        from indextts.quality import FastClass

        own["fast"] = FastClass(weights=task.weights)  # type: ignore[arg-type]
    engine = kind(task.model_dir, device=task.device, **own)
    changes = getattr(sampling, "SamplingChanges", sampling.SamplingOptions)
    limits = {"max_mel_tokens": task.max_mel_tokens, "num_beams": task.num_beams}
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    request = SynthesisRequest(
        text=task.text,
        speaker=read_audio(task.speaker),
        seed=task.seed,
        sampling=changes(**given),
    )

    def speak() -> Spoken:
        result = engine.synthesize(request)
        stages = {name: value for name, value in vars(result.seconds).items() if value > 0}
        codes = sum(len(segment.codes) for segment in result.segments)
        return Spoken(stages, len(result.waveform) / result.sample_rate, codes)

    return speak


def other_engine(task: Task, kind: Any) -> Speak:
    """Of an implementation with the reference's interface."""
    import torch

    if task.quality is not None:
        raise SystemExit("the other implementation knows no classes of quality")
    wanted: dict[str, Any] = {
        "cfg_path": str(Path(task.model_dir) / "config.yaml"),
        "model_dir": task.model_dir,
    }
    if task.device != "auto" and "device" in inspect.signature(kind).parameters:
        wanted["device"] = task.device
    engine = kind(**wanted)
    limits = {"max_mel_tokens": task.max_mel_tokens, "num_beams": task.num_beams}
    given = {name: value for name, value in limits.items() if value is not None}

    def speak() -> Spoken:
        torch.manual_seed(task.seed)
        printed = io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            with contextlib.redirect_stdout(printed):
                engine.infer(
                    spk_audio_prompt=task.speaker, text=task.text, output_path=str(path), **given
                )
            with wave.open(str(path)) as file:
                seconds = file.getnframes() / file.getframerate()
        return Spoken(printed_stages(printed.getvalue()), seconds, None)

    return speak


def load(task: Task) -> Speak:
    """The engine of the checkout that this process runs in."""
    from indextts.infer_v2 import IndexTTS2

    found = Path(inspect.getfile(IndexTTS2)).resolve()
    if not found.is_relative_to(Path.cwd().resolve()):
        raise SystemExit(f"{Path.cwd()} has no indextts/infer_v2.py: {found} would be measured")
    make = our_engine if hasattr(IndexTTS2, "synthesize") else other_engine
    return make(task, IndexTTS2)


def main(argument: str) -> int:
    """Load, then speak once for each line of the input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path[0] = str(Path.cwd())
    task = Task(**json.loads(argument))
    with contextlib.suppress(ImportError):
        # As this repository's command line and service do.
        from indextts.utils.cpu_process import tune_process

        tune_process(os.environ)
    start = time.perf_counter()
    import torch

    torch.set_num_threads(task.threads)
    speak = load(task)

    def tell(told: dict[str, Any]) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answers.write(json.dumps({**told, "peak_bytes": peak}) + "\n")
        answers.flush()

    tell({"seconds": time.perf_counter() - start})
    for _ in sys.stdin:
        start = time.perf_counter()
        spoken = speak()
        tell({"seconds": time.perf_counter() - start, **dataclasses.asdict(spoken)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
