"""An engine without a model: speaks a tone, asks its Control in small steps, obeys its text.

Commands in a text: ``[slow 1.5]`` takes that many seconds, ``[hang 5]`` takes them without asking
the Control; ``[fail]``, ``[oom]``, ``[oom once]``, ``[poison]``, and ``[silent]`` for a text with
nothing to speak.
``INDEXTTS_TEST_LOAD_SECONDS``, ``INDEXTTS_TEST_LOAD_ERROR``, ``INDEXTTS_TEST_DEVICE`` and
``INDEXTTS_TEST_JOURNAL`` (a file that gets a line for each start and end) steer the process.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.runner.engine import EngineOptions
from indextts.errors import GenerationError, ModelFileError, TextError
from indextts.request import (
    Control,
    Progress,
    SegmentAudio,
    StageSeconds,
    Synthesis,
    SynthesisRequest,
)

STEP_SECONDS = 0.01
RATE = 22050


class OutOfMemoryError(RuntimeError):
    """Named like torch's; this engine must not need torch."""


@dataclass(frozen=True)
class Stats:
    hits: int = 0
    misses: int = 0
    bytes: int = 0
    entries: int = 0


class StandInEngine:
    """See the module."""

    precision = "fp32"
    deepspeed_enabled = False
    model_name = "stand-in"
    model_version = "0"
    model_notice = "It only hums."
    supports_emotion_text = False
    sample_rate = RATE

    def __init__(self, device: str = "cpu", journal: Path | None = None) -> None:
        self.device = device
        self._journal = journal
        self._calls = 0
        self._oom_left = {"once": 1}

    def cache_stats(self) -> Stats:
        return Stats(hits=max(0, self._calls - 1), misses=min(1, self._calls), entries=1)

    def release_memory(self) -> None:
        self._note("release", "")

    def synthesize(self, request: SynthesisRequest, control: Control | None = None) -> Synthesis:
        started = time.monotonic()
        self._calls += 1
        self._note("start", request.text)
        try:
            self._obey(request.text, control or Control())
        except Exception as error:
            self._note(type(error).__name__, request.text)
            raise
        self._note("done", request.text)
        return _tone(request, time.monotonic() - started)

    def _obey(self, text: str, control: Control) -> None:
        command, _, value = _command(text).partition(" ")
        if command == "fail":
            raise GenerationError("secret path /models/gpt.pth")
        if command == "silent":
            raise TextError("There is nothing to speak in this text.")
        if command == "poison":
            raise RuntimeError("CUDA error: device-side assert triggered")
        if command == "oom" and self.device.startswith("cuda"):
            if not value:
                raise OutOfMemoryError("CUDA out of memory")
            if self._oom_left["once"]:
                self._oom_left["once"] = 0
                raise OutOfMemoryError("CUDA out of memory")
        if command == "hang":
            time.sleep(float(value))
        end = time.monotonic() + (float(value) if command == "slow" else 0.0)
        done = 0
        while True:
            control.check()
            if control.progress is not None:
                control.progress(Progress("gpt", done, 100, 0, 0, 1))
            if time.monotonic() >= end:
                return
            time.sleep(STEP_SECONDS)
            done += 1

    def _note(self, event: str, text: str) -> None:
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(f"{time.time():.3f} {os.getpid()} {event} {text}\n")


def make(options: EngineOptions) -> StandInEngine:
    """The factory for ``INDEXTTS_ENGINE=tests.app.stand_in_engine:make``."""
    time.sleep(float(os.environ.get("INDEXTTS_TEST_LOAD_SECONDS", "0")))
    if os.environ.get("INDEXTTS_TEST_LOAD_ERROR"):
        raise ModelFileError("/models/gpt.pth", "is missing.", "Fetch it.")
    device = options.device
    if device == "auto":
        device = os.environ.get("INDEXTTS_TEST_DEVICE", "cpu")
    journal = os.environ.get("INDEXTTS_TEST_JOURNAL")
    return StandInEngine(device, Path(journal) if journal else None)


def _command(text: str) -> str:
    found = re.search(r"\[([a-z]+(?: [a-z0-9.]+)?)\]", text)
    return found.group(1) if found else ""


def _tone(request: SynthesisRequest, seconds: float) -> Synthesis:
    length = int(RATE * min(2.0, 0.1 + 0.01 * len(request.text)))
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(length) / RATE)
    segment = SegmentAudio(
        index=0,
        count=1,
        text=request.text,
        text_tokens=len(request.text),
        codes=np.zeros(length // 1024, dtype=np.int64),
        waveform=wave.astype(np.float32),
        sample_rate=RATE,
        pause=0,
        truncated=False,
    )
    return Synthesis(
        waveform=wave.astype(np.float32),
        sample_rate=RATE,
        seed=1234 if request.seed is None else request.seed,
        segments=(segment,),
        seconds=StageSeconds(gpt=seconds),
        warnings=("unknown character",) if "☃" in request.text else (),
    )
