"""What is put under load: the engine in this process, or a running service."""

from __future__ import annotations

import io
import threading
import time
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import requests
from numpy.typing import NDArray

from benchmarks.load_requests import LoadRequest
from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, SegmentAudio
from indextts.stream import Speaking


@dataclass
class Heard:
    """What a client got; times in seconds since its request was due.

    Attributes:
        number: of the request.
        first_sound, total: when it came.
        samples: float32 [n].
        rate: in Hz.
        codes: of each segment; empty for a service, which does not tell.
    """

    number: int
    first_sound: float = 0.0
    total: float = 0.0
    samples: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    rate: int = 0
    codes: list[list[int]] = field(default_factory=list)

    @property
    def audio_seconds(self) -> float:
        return len(self.samples) / self.rate if self.rate else 0.0


@dataclass(frozen=True)
class Work:
    """What was done for a load.

    Attributes:
        seconds: from its first request to its last answer.
        occupancy: sequences in a GPT step, on average; 0 for a service.
        padding: share of the flows' frames that are none; 0 for a service.
    """

    seconds: float
    occupancy: float = 0.0
    padding: float = 0.0


class Target(Protocol):
    def run(
        self, load: Sequence[LoadRequest], at_once: int, due: Sequence[float] | None
    ) -> tuple[list[Heard], Work]:
        """Serve a load.

        Args:
            load: in order.
            at_once: clients, each of which sends its next request when it has its answer.
            due: when each request is sent, in seconds from the start, whoever waits; None: the
                clients decide.
        """
        ...


class EngineTarget:
    """The engine, driven by this thread."""

    def __init__(self, engine: IndexTTS2, clips: Sequence[ReferenceAudio]) -> None:
        self._engine, self._clips = engine, clips

    def run(
        self, load: Sequence[LoadRequest], at_once: int, due: Sequence[float] | None
    ) -> tuple[list[Heard], Work]:
        before = self._engine.stats()
        waiting = list(zip(load, due or [0.0] * len(load), strict=True))
        running: list[tuple[Speaking, Heard, float]] = []
        heard: list[Heard] = []
        started = time.perf_counter()
        while waiting or running:
            now = time.perf_counter() - started
            while waiting and waiting[0][1] <= now and (due or len(running) < at_once):
                request, moment = waiting.pop(0)
                speaking = self._engine.submit(request.for_engine(self._clips))
                running.append((speaking, Heard(request.number), moment if due else now))
            if not running:
                time.sleep(max(0.0, waiting[0][1] - now))
                continue
            self._engine.tick()
            now = time.perf_counter() - started
            for one in tuple(running):
                _take(*one, now)
                if one[0].ended:
                    running.remove(one)
                    heard.append(one[1])
        after = self._engine.stats()
        frames = after.flow_frames - before.flow_frames
        return heard, Work(
            time.perf_counter() - started,
            (after.codes - before.codes) / max(1, after.gpt_steps - before.gpt_steps),
            (after.flow_padding - before.flow_padding) / max(1, frames),
        )


def _take(speaking: Speaking, heard: Heard, begun: float, now: float) -> None:
    for sound in speaking.take():
        if not heard.rate:
            heard.first_sound = now - begun
        heard.rate = sound.sample_rate
        if isinstance(sound, SegmentAudio):
            heard.codes.append(sound.codes.tolist())
            heard.samples = np.concatenate((heard.samples, sound.with_pause()))
    if speaking.ended:
        heard.total = now - begun
        if speaking.error is not None:
            raise speaking.error


class ServiceTarget:
    """A service, asked by threads: streams at /tts/stream, the others at /tts."""

    def __init__(self, url: str, clips: Sequence[bytes], timeout: float) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout
        self._clips = [clip.hex() for clip in clips]

    def run(
        self, load: Sequence[LoadRequest], at_once: int, due: Sequence[float] | None
    ) -> tuple[list[Heard], Work]:
        started = time.perf_counter()
        moments = due or [0.0] * len(load)
        stopped = threading.Event()

        def serve(request: LoadRequest, moment: float) -> Heard:
            if due:
                stopped.wait(max(0.0, moment - (time.perf_counter() - started)))
            return self._send(request)

        with ThreadPoolExecutor(len(load) if due else at_once) as pool:
            heard = list(pool.map(serve, load, moments))
        return heard, Work(time.perf_counter() - started)

    def _send(self, request: LoadRequest) -> Heard:
        heard, data = Heard(request.number), io.BytesIO()
        begun = time.perf_counter()
        with requests.post(
            f"{self._url}/tts{'/stream' if request.stream else ''}",
            json=request.for_service(self._clips),
            headers={"Accept": "audio/wav"},
            timeout=self._timeout,
            stream=True,
        ) as answer:
            answer.raise_for_status()
            for piece in answer.iter_content(None):
                data.write(piece)
                if not heard.first_sound and data.tell() > 44:
                    heard.first_sound = time.perf_counter() - begun
        heard.total = time.perf_counter() - begun
        heard.samples, heard.rate = read_wave(data.getvalue())
        return heard


def read_wave(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples and rate of a 16-bit WAV, whose header may not know its length."""
    with wave.open(io.BytesIO(data)) as file:
        rate = file.getframerate()
    pcm = np.frombuffer(data[44:], dtype="<i2")
    return pcm.astype(np.float32) / 32768.0, rate
