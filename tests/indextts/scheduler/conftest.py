from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indextts.infer_v2 import IndexTTS2
from indextts.policy import SchedulerPolicy
from indextts.request import ReferenceAudio
from tests.indextts.scheduler.company import (
    Alone,
    tick,
)
from tests.indextts.tiny_model import SAMPLE_RATE, voice


@pytest.fixture(scope="module")
def clips() -> list[ReferenceAudio]:
    return [ReferenceAudio(voice(seed, 0.6 + 0.2 * seed), SAMPLE_RATE) for seed in range(3)]


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> IndexTTS2:
    engine = IndexTTS2(tiny_model_dir, device="cpu", max_batch=4)
    # As with several cores, however many the tests have.
    engine._line.scheduler.policy = SchedulerPolicy(4, 1, "beside", 1, 1)
    return engine


@pytest.fixture(scope="module")
def alone(engine: IndexTTS2, clips: list[ReferenceAudio]) -> Alone:
    return Alone(engine, clips)


@pytest.fixture(autouse=True)
def left(engine: IndexTTS2) -> Iterator[None]:
    """No test leaves work behind for the next."""
    yield
    tick(engine)
