"""Writers of one audio stream each: samples in, bytes of the file out, nothing ever rewritten.

PCM and WAV need no library.  MP3, Opus, FLAC and AAC come from FFmpeg, through PyAV.  Vorbis comes
from libsndfile, because the wheels of PyAV hold no usable Vorbis encoder since version 17.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from indextts.utils.pcm import pcm16


class CodecWriter(Protocol):
    """One file in the making; the samples are mono, finite and within full scale."""

    def start(self) -> bytes: ...

    def write(self, samples: NDArray[np.float32]) -> bytes: ...

    def finish(self) -> bytes: ...

    def close(self) -> None: ...


class PcmWriter:
    """Signed 16-bit little-endian samples behind a header."""

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def start(self) -> bytes:
        return self._header

    def write(self, samples: NDArray[np.float32]) -> bytes:
        return pcm16(samples).astype("<i2", copy=False).tobytes()

    def finish(self) -> bytes:
        return b""

    def close(self) -> None:
        """There is nothing to free."""


class _Sink:
    """Holds what a library has written until it is taken; a pipe, to FFmpeg."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


@dataclass(frozen=True)
class AvRecipe:
    """How FFmpeg makes a format.

    Attributes:
        container: FFmpeg's name of the muxer.
        codec: FFmpeg's name of the encoder.
        sample_format: that the encoder takes; "s16" or a float format.
        bit_rate: in bit/s; None: the encoder's own, or lossless.
        codec_options: options of the encoder.
        container_options: options of the muxer.
    """

    container: str
    codec: Literal["libmp3lame", "libopus", "flac", "aac"]
    sample_format: str
    bit_rate: int | None = None
    codec_options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)


class AvWriter:
    """A file made by FFmpeg.  PyAV keeps FFmpeg's own log silent unless a level is set."""

    def __init__(self, recipe: AvRecipe, rate: int) -> None:
        self._recipe = recipe
        self._rate = rate
        self._written = 0
        self._sink = _Sink()
        self._container = av.open(
            self._sink,
            "w",
            format=recipe.container,
            # Every packet leaves at once; no version of a library stands in the file.
            options={"fflags": "+flush_packets+bitexact", **recipe.container_options},
        )
        self._stream = self._container.add_stream(
            recipe.codec,
            rate=rate,
            options=dict(recipe.codec_options),
            layout="mono",
            format=recipe.sample_format,
        )
        if recipe.bit_rate is not None:
            self._stream.bit_rate = recipe.bit_rate

    def start(self) -> bytes:
        self._container.start_encoding()
        return self._sink.take()

    def write(self, samples: NDArray[np.float32]) -> bytes:
        if len(samples):
            form = self._recipe.sample_format
            values = pcm16(samples) if form == "s16" else np.ascontiguousarray(samples)
            frame = av.AudioFrame.from_ndarray(
                values[np.newaxis],  # [1, n]
                format=form,
                layout="mono",
            )
            frame.sample_rate = self._rate
            frame.time_base = Fraction(1, self._rate)
            frame.pts = self._written
            self._written += len(samples)
            self._container.mux(self._stream.encode(frame))
        return self._sink.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def close(self) -> None:
        self._container.close()
        self._sink.take()


class _LengthSink(_Sink):
    """A sink for libsndfile, which asks for the length of the file before it writes."""

    def __init__(self) -> None:
        super().__init__()
        self._length = 0

    def write(self, data: bytes) -> int:
        self._length += len(data)
        return super().write(bytes(data))

    def read(self, size: int) -> bytes:
        raise OSError("a sink is only written")

    def seek(self, offset: int, whence: int) -> int:
        return self._length

    def tell(self) -> int:
        return self._length


class VorbisWriter:
    """Ogg/Vorbis made by libsndfile.

    It writes a page when it holds 4 KB or 255 packets, and offers no other way: about a second of
    speech is kept back, and more where a pause follows.  The encoder guesses what was before the
    first sample from all that its first block holds, hence blocks of one length.
    """

    _BLOCK = 2048

    def __init__(self, rate: int) -> None:
        self._sink = _LengthSink()
        self._waiting = np.zeros(0, np.float32)
        self._file = soundfile.SoundFile(
            self._sink, mode="w", samplerate=rate, channels=1, format="OGG", subtype="VORBIS"
        )

    def start(self) -> bytes:
        return self._sink.take()

    def write(self, samples: NDArray[np.float32]) -> bytes:
        samples = np.concatenate([self._waiting, samples])
        full = len(samples) - len(samples) % self._BLOCK
        for first in range(0, full, self._BLOCK):
            self._file.write(samples[first : first + self._BLOCK])
        self._waiting = samples[full:]
        return self._sink.take()

    def finish(self) -> bytes:
        self._file.write(self._waiting)
        self._file.close()
        return self._sink.take()

    def close(self) -> None:
        self._file.close()
        self._sink.take()
