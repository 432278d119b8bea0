"""Clips to decode, as libsndfile and FFmpeg write them."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
import soundfile
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from app.clips.decode import decode_audio
from app.clips.errors import AudioInputError
from app.clips.limits import ClipLimits

LIMITS = ClipLimits(max_bytes=20 << 20, max_seconds=60.0, max_channels=8)
RATE = 24000


def tone(seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> NDArray[np.float32]:
    """A sine for each channel, [n, channels], peak 0.5."""
    time = np.arange(int(seconds * rate)) / rate
    return np.stack(
        [0.5 * np.sin(2 * np.pi * 220 * (c + 1) * time) for c in range(channels)], axis=1
    ).astype(np.float32)


def encoded(samples: NDArray[np.float32], container: str, subtype: str, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, subtype=subtype)
    return buffer.getvalue()


def refused(data: bytes, limits: ClipLimits = LIMITS) -> AudioInputError:
    with pytest.raises(AudioInputError) as caught:
        decode_audio(data, limits)
    return caught.value


def recorded(
    container: str,
    codec: str,
    seconds: float = 1.0,
    rate: int = 16000,
    options: dict[str, str] | None = None,
) -> bytes:
    """A file as a phone or a browser writes it."""
    buffer = io.BytesIO()
    samples = np.ascontiguousarray(tone(seconds, rate).T)
    with av.open(buffer, "w", format=container, options=options or {}) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = AudioResampler(stream.format, stream.layout, stream.rate, frame_size=960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return buffer.getvalue()
