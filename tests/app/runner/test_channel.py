"""What stands between a job and its reader."""

from __future__ import annotations

import numpy as np
import pytest

from app.runner.channel import EventChannel, Failed
from app.runner.engine import SegmentAudio
from app.runner.errors import (
    EngineLostError,
    ReaderTooSlowError,
)


def segment(samples: int) -> SegmentAudio:
    wave = np.zeros(samples, dtype=np.float32)
    return SegmentAudio(0, 1, "", 0, np.zeros(0, dtype=np.int64), wave, 22050, 0, False)


def test_a_channel_is_bounded_and_never_waits() -> None:
    channel = EventChannel(max_bytes=400)
    channel.put(segment(60))
    with pytest.raises(ReaderTooSlowError):
        channel.put(segment(60))
    assert isinstance(channel.next(0), SegmentAudio)
    channel.put(segment(100))
    failed = Failed(ReaderTooSlowError())
    channel.put(failed)
    channel.put(Failed(EngineLostError("the watchdog came late")))
    assert isinstance(channel.next(0), SegmentAudio)
    assert channel.next(0) is failed
    assert channel.next(0) is None


def test_a_closed_channel_keeps_nothing() -> None:
    channel = EventChannel(max_bytes=400)
    channel.put(segment(10))
    channel.close()
    channel.put(segment(90))
    assert channel.closed
    assert channel.next(0) is None
