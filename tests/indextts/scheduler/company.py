"""Requests that work at once, and what they get alone."""

from __future__ import annotations

import numpy as np

from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, SegmentAudio, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.stream import Speaking
from tests.indextts.tiny_model import SENTENCES

KINDS = 12
# Every kind, and as many as work at once at most.
REQUESTS = KINDS + 4
TOLERANCE = 1e-4  # of full scale, in company


def request(clips: list[ReferenceAudio], number: int) -> SynthesisRequest:
    """A request that hangs on its number alone: voices, texts, beams, options, emotion, streams."""
    kind = number % KINDS
    text = SENTENCES[number % len(SENTENCES)]
    if kind in (2, 7, 9):
        text = " ".join(SENTENCES[:2])
    return SynthesisRequest(
        text,
        clips[number % 3],
        emotion=clips[(number + 1) % 3] if kind in (1, 4, 8) else None,
        emo_vector=(0.4,) + (0.0,) * 7 if kind == 5 else None,
        seed=number,
        speed=1.3 if kind == 6 else 1.0,
        max_text_tokens_per_segment=20,
        quick_streaming_tokens=10 if kind in (3, 7) else 0,
        segments_per_batch=1 + number % 4,
        sampling=SamplingChanges(
            num_beams=(3, 1, 1, 2)[number % 4],
            do_sample=False if kind == 10 else None,
            temperature=(None, 0.6, 1.3)[number % 3],
            top_k=0 if kind == 11 else None,
            top_p=0.95 if kind == 11 else None,
            max_mel_tokens=10 + number % 17,
        ),
    )


class Alone:
    """What each request gets alone, made once."""

    def __init__(self, engine: IndexTTS2, clips: list[ReferenceAudio]) -> None:
        self._engine, self._clips = engine, clips
        self._known: dict[int, tuple[SegmentAudio, ...]] = {}

    def __call__(self, number: int) -> tuple[SegmentAudio, ...]:
        if number not in self._known:
            one = request(self._clips, number)
            self._known[number] = self._engine.synthesize(one).segments
        return self._known[number]

    def check(self, number: int, made: list[SegmentAudio]) -> None:
        assert len(made) <= len(self(number))
        for own, expected in zip(made, self(number), strict=False):
            assert (own.index, own.text) == (expected.index, expected.text)
            assert own.codes.tolist() == expected.codes.tolist()
            np.testing.assert_allclose(own.waveform, expected.waveform, atol=TOLERANCE)


def nothing_is_left(engine: IndexTTS2) -> None:
    stats, scheduler = engine.stats(), engine._line.scheduler
    assert (stats.runs, stats.decoding, stats.flowing, stats.voicing) == (0, 0, 0, 0)
    assert scheduler._roster.is_clear
    assert scheduler._beside.free
    assert not list(scheduler._places)
    assert not scheduler._batch.slots
    assert not scheduler._flows._groups


def work_through(
    engine: IndexTTS2, numbers: list[int], at_once: int, clips: list[ReferenceAudio]
) -> dict[int, list[SegmentAudio]]:
    """Submit requests so that `at_once` of them run; their segments by number."""
    waiting, running = list(numbers), dict[int, Speaking]()
    made: dict[int, list[SegmentAudio]] = {number: [] for number in numbers}
    while waiting or running:
        while waiting and len(running) < at_once:
            number = waiting.pop(0)
            running[number] = engine.submit(request(clips, number))
        engine.tick()
        for number, speaking in tuple(running.items()):
            made[number] += speaking.take()
            if speaking.ended:
                assert speaking.error is None
                del running[number]
    return made


def tick(engine: IndexTTS2, most: int = 10_000) -> None:
    for _ in range(most):
        if not engine.tick():
            return
