"""An engine without a model: speaks a tone, asks its Control in small steps, obeys its text.

Each line of a text is a segment.  Commands in a line: ``[slow 1.5]`` takes that many seconds,
``[hang 5]`` takes them without asking the Control; ``[until go]`` waits for a file of this name
beside the journal; ``[fail]``, ``[unready]`` (its class of quality), ``[oom]``, ``[oom once]``,
``[poison]``, ``[silent]`` for a text with nothing to speak, ``[noise 5]`` writes lines to stderr,
``[lead 500]`` is silent for so many milliseconds before the first line, if pauses are on, and
``[die]`` ends the process.
``INDEXTTS_TEST_LOAD_SECONDS``, ``INDEXTTS_TEST_LOAD_ERROR`` (a model file is missing while this
file exists), ``INDEXTTS_TEST_LOAD_CRASH``, ``INDEXTTS_TEST_DEVICE`` and ``INDEXTTS_TEST_JOURNAL``
(a file that gets a line for each start and end) steer the process.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.runner.engine import EngineOptions
from indextts.errors import (
    GenerationError,
    ModelFileError,
    QualityUnavailableError,
    RequestError,
    TextError,
    TextFault,
)
from indextts.facts import ModelFacts
from indextts.quality import Quality, check_quality
from indextts.request import (
    Control,
    EarlySound,
    Progress,
    SegmentAudio,
    Sound,
    StageSeconds,
    SynthesisRequest,
)
from indextts.work_stats import WorkStats

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

    def __init__(
        self,
        device: str = "cpu",
        journal: Path | None = None,
        max_batch: int = 1,
        quality: Quality = "exact",
    ) -> None:
        self.device = device
        self.quality = quality
        self._max_batch = max_batch
        self._speeches: list[HummedSpeech] = []
        self._steps = self._codes = 0
        self._journal = journal
        self._calls = 0
        self._oom_left = {"once": 1}

    def cache_stats(self) -> Stats:
        return Stats(hits=max(0, self._calls - 1), misses=min(1, self._calls), entries=1)

    def release_memory(self) -> None:
        self.note("release", "")

    @property
    def facts(self) -> ModelFacts:
        return ModelFacts(
            device=self.device,
            precision="fp32",
            model_name="stand-in",
            model_version="0",
            model_notice="It only hums.",
            sample_rate=RATE,
            max_batch=self._max_batch,
            quality=self.quality,
            fast_class="a shorter hum",
        )

    def stats(self) -> WorkStats:
        return WorkStats(
            runs=len(self._speeches),
            slots=self._max_batch,
            decoding=len(self._speeches),
            gpt_steps=self._steps,
            codes=self._codes,
        )

    def submit(self, request: SynthesisRequest, control: Control | None = None) -> HummedSpeech:
        self._calls += 1
        self._speeches.append(HummedSpeech(self, request, control or Control()))
        return self._speeches[-1]

    def tick(self) -> bool:
        """A step of everybody's; those that take their time take it together."""
        self._steps += 1
        self._codes += len(self._speeches)
        waits = [speech.advance() for speech in self._speeches if not speech.ended]
        if any(waits):
            time.sleep(STEP_SECONDS)
        self._speeches = [speech for speech in self._speeches if not speech.ended]
        return bool(self._speeches)

    def obey(self, text: str, control: Control) -> Generator[None, None, None]:
        command, _, value = _command(text).partition(" ")
        _write_past_the_log(command, value)
        if command == "fail":
            raise GenerationError("secret path /models/gpt.pth")
        if command == "unready":
            raise QualityUnavailableError("quality 'fast' could not be made ready: /secret/path")
        if command == "silent":
            raise TextError("There is nothing to speak in this text.", TextFault.NOTHING_TO_SPEAK)
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
        gate = self._gate(value) if command == "until" else None
        end = time.monotonic() + (float(value) if command == "slow" else 0.0)
        done = 0
        while True:
            control.check()
            if control.progress is not None:
                control.progress(Progress("gpt", done, 100, 0, 0, 1))
            if time.monotonic() >= end and (gate is None or gate.exists()):
                return
            yield
            done += 1

    def _gate(self, name: str) -> Path:
        assert self._journal is not None, "[until ...] needs a journal"
        return self._journal.with_name(name)

    def note(self, event: str, text: str) -> None:
        if self._journal is not None:
            text = text.replace("\n", "\\n")
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(f"{time.time():.3f} {os.getpid()} {event} {text}\n")


def make(options: EngineOptions) -> StandInEngine:
    """The factory for ``INDEXTTS_ENGINE=tests.app.stand_in_engine:make``."""
    time.sleep(float(os.environ.get("INDEXTTS_TEST_LOAD_SECONDS", "0")))
    if os.environ.get("INDEXTTS_TEST_LOAD_CRASH"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if Path(os.environ.get("INDEXTTS_TEST_LOAD_ERROR", "/nowhere")).exists():
        raise ModelFileError("/models/gpt.pth", "is missing.", "Fetch it.")
    device = options.device
    if device == "auto":
        device = os.environ.get("INDEXTTS_TEST_DEVICE", "cpu")
    journal = os.environ.get("INDEXTTS_TEST_JOURNAL")
    # As many at once as a test asks for; otherwise one after the other.
    max_batch = 1 if options.max_batch == "auto" else options.max_batch
    quality = check_quality(options.quality)
    return StandInEngine(device, Path(journal) if journal else None, max_batch, quality)


def _write_past_the_log(command: str, value: str) -> None:
    if command == "noise":
        os.write(2, b"noise of a library\n" * int(value) + b"no end of line")
    if command == "die":
        os.write(2, b"last words\n")
        os.kill(os.getpid(), signal.SIGKILL)


def _command(text: str) -> str:
    found = re.search(r"\[([a-z]+(?: [a-z0-9.]+)?)\]", text)
    return found.group(1) if found else ""


class HummedSpeech:
    """A tone for each line of the text; the commands of a line are obeyed before it sounds.

    In the class "fast" half of a first tone that is to come soon is there before that.
    """

    def __init__(self, engine: StandInEngine, request: SynthesisRequest, control: Control) -> None:
        self._engine = engine
        self._request = request
        self._started = time.monotonic()
        self._steps = self._hum(control)
        self._ready: list[Sound] = []
        self.ended = False
        self.error: Exception | None = None
        self.seed = 1234 if request.seed is None else request.seed
        self.quality: Quality = request.quality or engine.quality
        self.warnings = ("unknown character",) if "☃" in request.text else ()

    @property
    def seconds(self) -> StageSeconds:
        return StageSeconds(gpt=time.monotonic() - self._started)

    def take(self) -> list[Sound]:
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        self._steps.close()
        self.ended = True

    def advance(self) -> bool:
        """Make a step; whether it is to take its time."""
        try:
            made = next(self._steps)
        except StopIteration:
            self.ended = True
            return False
        except Exception as error:
            self.error, self.ended = error, True
            return False
        if made is not None:
            self._ready.append(made)
        return made is None

    def _hum(self, control: Control) -> Generator[Sound | None, None, None]:
        text = self._request.text
        self._engine.note("start", text)
        try:
            lines = text.split("\n")
            limit = self._request.max_audio_seconds
            if limit is not None and sum(map(_seconds_of, lines)) > limit:
                raise RequestError(
                    "more than can be spoken in one request here", TextFault.SPEECH_TOO_LONG
                )
            quick = self.quality == "fast" and self._request.quick_streaming_tokens > 0
            for index, line in enumerate(lines):
                tone = _tone(self._request, line, index, len(lines))
                if quick and index == 0:
                    half = tone.with_pause()[: tone.lead + len(tone.waveform) // 2]
                    tone = replace(tone, early=len(half))
                    yield EarlySound(index, 0, half, RATE)
                for _ in self._engine.obey(line, control):
                    yield None
                yield tone
        except BaseException as error:
            self._engine.note(type(error).__name__, text)
            raise
        self._engine.note("done", text)


def _seconds_of(line: str) -> float:
    return min(2.0, 0.1 + 0.01 * len(line))


def _tone(request: SynthesisRequest, line: str, index: int, count: int) -> SegmentAudio:
    length = int(RATE * _seconds_of(line) / request.speed)
    command, _, value = _command(line).partition(" ")
    lead = int(value) if command == "lead" else 0
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(length) / RATE)
    return SegmentAudio(
        index=index,
        count=count,
        text=line,
        text_tokens=len(line),
        codes=np.zeros(length // 1024, dtype=np.int64),
        waveform=wave.astype(np.float32),
        sample_rate=RATE,
        pause=RATE * request.interval_silence // 1000 if index + 1 < count else 0,
        truncated=False,
        spoken_text="hum",
        lead=RATE * lead // 1000 if index == 0 and request.pauses else 0,
    )
